"""The picture of the races: requests in the last second against the limit, as the server saw them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np

from benchmarks.peers.contestants import Role
from benchmarks.peers.networks import JITTER, LIMIT
from benchmarks.peers.outcomes import Outcome

matplotlib.use("Agg")

WITHIN_COLOUR, OVER_COLOUR = "#2a6f97", "#c1121f"
SECONDS = 10
STEPS_PER_SECOND = 5
"""Each step shows the most that a window held in it, so no violation is smoothed away."""
COLUMNS = 3


def draw(outcomes: Sequence[Outcome], path: Path) -> None:
    """Ours, and each library at the full limit, from one process under jitter; red is above the limit."""
    from matplotlib import pyplot

    matplotlib.rcParams.update({"svg.hashsalt": "candles", "svg.fonttype": "none"})
    shown = _shown(outcomes)
    rows = -(-len(shown) // COLUMNS)
    figure, panels = pyplot.subplots(
        rows, COLUMNS, figsize=(11, 2.4 * rows), sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    for panel, outcome in zip(panels.flat, shown, strict=False):
        moments, held = _held(np.array(outcome.arrivals_seconds))
        for low, high, colour in (
            (0, np.minimum(held, LIMIT.amount), WITHIN_COLOUR),
            (LIMIT.amount, np.maximum(held, LIMIT.amount), OVER_COLOUR),
        ):
            panel.fill_between(moments, low, high, step="post", color=colour, linewidth=0)
        panel.axhline(LIMIT.amount, color="#222222", linewidth=1.0, linestyle="--")
        panel.set_title(f"{outcome.contestant}\n{_verdict(outcome)}", fontsize=9)
        panel.set_xlim(0, SECONDS)
        panel.spines[["top", "right"]].set_visible(False)
    for empty in panels.flat[len(shown) :]:
        empty.set_visible(False)
    panels.flat[0].set_ylim(bottom=0)
    figure.supylabel(f"requests in the last second (limit {LIMIT.amount})", fontsize=9)
    figure.supxlabel("seconds", fontsize=9)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _shown(outcomes: Sequence[Outcome]) -> list[Outcome]:
    here = [outcome for outcome in outcomes if outcome.network == JITTER and outcome.processes == 1]
    ours = [outcome for outcome in here if outcome.contestant.role is Role.OURS]
    first_of: dict[str, Outcome] = {}
    for outcome in here:
        if outcome.contestant.role in (Role.USUAL, Role.CAREFUL):
            first_of.setdefault(outcome.contestant.library, outcome)
    return [*ours, *first_of.values()]


def _held(arrivals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each step, the most that a closed window ending in it held."""
    steps = np.arange(SECONDS * STEPS_PER_SECOND)
    held = np.arange(1, len(arrivals) + 1) - np.searchsorted(arrivals, arrivals - LIMIT.window_seconds, side="left")
    most = np.zeros(len(steps) + 1, int)
    inside = arrivals < SECONDS
    np.maximum.at(most, (arrivals[inside] * STEPS_PER_SECOND).astype(int), held[inside])
    # Where nothing arrives in a step, its start holds the most.
    starts = steps / STEPS_PER_SECOND
    at_start = np.searchsorted(arrivals, starts, side="right") - np.searchsorted(
        arrivals, starts - LIMIT.window_seconds, side="left"
    )
    most[:-1] = np.maximum(most[:-1], at_start)
    most[-1] = most[-2]
    return np.append(steps, len(steps)) / STEPS_PER_SECOND, most


def _verdict(outcome: Outcome) -> str:
    if not outcome.violations:
        return f"no violation in {outcome.requests:,}"
    return f"{outcome.violations:,} violations in {outcome.requests:,}"
