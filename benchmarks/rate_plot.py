"""The picture of the limiters: requests in the last second against the limit."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np

from benchmarks.limiters import LIMIT, LimiterRun

matplotlib.use("Agg")

WITHIN_COLOUR, OVER_COLOUR = "#2a6f97", "#c1121f"


def draw(runs: list[LimiterRun], path: Path) -> None:
    """One panel a limiter, as the server saw it; red is above the limit."""
    from matplotlib import pyplot

    matplotlib.rcParams["svg.hashsalt"] = "candles"
    figure, panels = pyplot.subplots(1, len(runs), figsize=(11, 3.2), sharey=True, layout="constrained")
    for panel, run in zip(np.atleast_1d(panels), runs, strict=True):
        moments, held = _held(run.arrivals_seconds)
        panel.fill_between(moments, np.minimum(held, LIMIT.amount), step="post", color=WITHIN_COLOUR, linewidth=0)
        panel.fill_between(
            moments, LIMIT.amount, np.maximum(held, LIMIT.amount), step="post", color=OVER_COLOUR, linewidth=0
        )
        panel.axhline(LIMIT.amount, color="#222222", linewidth=1.0, linestyle="--")
        panel.set_title(f"{run.limiter}: {_verdict(run)}", fontsize=10)
        panel.set_xlabel("seconds", fontsize=9)
        panel.set_xlim(0, max(run.arrivals_seconds))
        panel.spines[["top", "right"]].set_visible(False)
    np.atleast_1d(panels)[0].set_ylabel(f"requests in the last second\n(limit {LIMIT.amount})", fontsize=9)
    np.atleast_1d(panels)[0].set_ylim(bottom=0)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _held(arrivals_seconds: list[float]) -> tuple[np.ndarray, np.ndarray]:
    arrivals = np.array(arrivals_seconds)
    moments = np.unique(np.concatenate([arrivals, arrivals + LIMIT.window_seconds]))
    came = np.searchsorted(arrivals, moments, side="right")
    left = np.searchsorted(arrivals, moments - LIMIT.window_seconds, side="right")
    return moments, came - left


def _verdict(run: LimiterRun) -> str:
    return f"{run.violations} violations" if run.violations else "no violation"
