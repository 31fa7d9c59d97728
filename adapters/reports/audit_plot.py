"""The picture of an audit: the most that each window can have held over the run, against its limit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.optional import require
from domain.errors import SettingsError
from domain.limits.audit import AuditHistory, JobAudit, WindowAudit, between, held_over_time

FORMATS = (".svg", ".png", ".pdf")
_STEPS = 600
"""Where there are more steps, the highest of several is drawn: no peak is lost."""
_JOB_COLOUR, _ALL_COLOUR, _LIMIT_COLOUR, _OVER_COLOUR = "#2a6f97", "#a9c6d9", "#222222", "#c1121f"


def draw(history: AuditHistory, verdict: JobAudit, path: Path) -> None:
    """Draw one panel per limit; times count from the job's first permit.

    Raises SettingsError for a path that no picture can be written to, or without matplotlib.
    """
    if path.suffix.lower() not in FORMATS:
        raise SettingsError(f"{path} is not the name of a picture: let it end in {', '.join(FORMATS)}")
    matplotlib = require("matplotlib", "plot")
    matplotlib.use("Agg")
    pyplot = require("matplotlib.pyplot", "plot")
    with matplotlib.rc_context({"svg.hashsalt": verdict.job_id}):
        figure, panels = pyplot.subplots(
            len(verdict.windows),
            1,
            figsize=(9, 0.8 + 2.2 * len(verdict.windows)),
            sharex=True,
            squeeze=False,
            layout="constrained",
        )
        for panel, window in zip(panels[:, 0], verdict.windows, strict=True):
            _draw_window(panel, window, history, verdict)
        panels[0, 0].legend(loc="lower right", fontsize=8, framealpha=0.9)
        panels[-1, 0].set_xlabel("seconds since the job's first permit", fontsize=9)
        figure.suptitle(verdict.job_id, fontsize=11)
        try:
            figure.savefig(path, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)
        except OSError as error:
            raise SettingsError(f"{path} cannot be written: {error.strerror or error}") from error
        finally:
            pyplot.close(figure)


def _draw_window(panel: Any, window: WindowAudit, history: AuditHistory, verdict: JobAudit) -> None:
    limit = window.limit
    shown = between(history, verdict.first_seconds - limit.window_seconds, verdict.last_seconds + limit.window_seconds)
    moments, held = held_over_time(limit, shown)
    own_moments, own = held_over_time(limit, shown, shown.of(verdict.job_id))
    first = verdict.first_seconds
    panel.fill_between(*_steps(moments - first, held), step="post", color=_ALL_COLOUR, linewidth=0, label="all jobs")
    panel.fill_between(*_steps(own_moments - first, own), step="post", color=_JOB_COLOUR, linewidth=0, label="this job")
    panel.axhline(limit.amount, color=_LIMIT_COLOUR, linewidth=1.0, linestyle="--", label="limit")
    if window.excesses:
        steps, heights = _steps(moments - first, held)
        panel.fill_between(
            steps, limit.amount, np.maximum(heights, limit.amount), step="post", color=_OVER_COLOUR, linewidth=0
        )
    panel.set_title(f"{limit}: {window.most:,} of {limit.amount:,} in the fullest window", fontsize=10, loc="left")
    panel.set_ylabel(f"at most in the\nlast {limit.window_seconds:g} s", fontsize=9)
    panel.set_xlim(0, verdict.last_seconds - first + limit.window_seconds)
    panel.set_ylim(0, 1.15 * max(window.most, limit.amount))
    panel.yaxis.get_major_locator().set_params(integer=True)
    panel.spines[["top", "right"]].set_visible(False)


def _steps(moments: NDArray[np.float64], held: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    if len(moments) <= _STEPS:
        return moments, held
    edges = np.linspace(moments[0], moments[-1], _STEPS + 1)[:-1]
    firsts = np.minimum(np.searchsorted(moments, edges), len(moments) - 1)
    highest = np.maximum.reduceat(held, np.unique(firsts))
    return moments[np.unique(firsts)], highest
