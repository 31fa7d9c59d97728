"""AttachedRuns: which runs use an account now, and the limits that are in force because of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

from domain.limits.rates import AccountLimits

SILENT_SECONDS = 15.0
"""A run that sends nothing for this long counts as gone; the coordinator of a live run is heard every second."""
LONGEST_LOOK_SECONDS = 1.0
"""The most that counts as listening between two calls."""


@dataclass(slots=True)
class _Run:
    limits: AccountLimits
    heard_at: float


class AttachedRuns:
    """The strictest limits of the attached runs are in force; when none is attached, the last ones stay in force.

    A run attaches, is heard repeatedly, and leaves or falls silent. Only time in which the limiter listened counts as
    silence: after a freeze, every run has its full time to be heard again. A silent run is remembered, so that its
    limits are in force again before any request of it is granted.
    """

    def __init__(self, in_force: AccountLimits, now: float) -> None:
        self._in_force = in_force
        # The runs behind the limits in force now are unknown: they get their time to be heard.
        self._runs: dict[str | None, _Run] = {None: _Run(in_force, 0.0)}
        self._attached: list[AccountLimits] = []
        self._listened_seconds = 0.0
        self._looked_at = now

    def attach(self, run: str, limits: AccountLimits, now: float) -> None:
        """Attach a run with its limits, which replace those it had before."""
        self._listen(now)
        self._runs[run] = _Run(limits, self._listened_seconds)

    def hear(self, run: str, now: float) -> None:
        """Note that a run is still there; a run that never attached changes nothing."""
        self._listen(now)
        if run in self._runs:
            self._runs[run].heard_at = self._listened_seconds

    def leave(self, run: str) -> None:
        """Detach a run; idempotent."""
        self._runs.pop(run, None)

    def in_force(self) -> AccountLimits:
        """The strictest limits of the attached runs."""
        heard_since = self._listened_seconds - SILENT_SECONDS
        attached = [run.limits for run in self._runs.values() if run.heard_at > heard_since]
        if attached and attached != self._attached:
            self._attached = attached
            self._in_force = reduce(AccountLimits.stricter, attached)
        return self._in_force

    def _listen(self, now: float) -> None:
        self._listened_seconds += min(max(0.0, now - self._looked_at), LONGEST_LOOK_SECONDS)
        self._looked_at = max(self._looked_at, now)
