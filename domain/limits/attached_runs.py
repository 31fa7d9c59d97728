"""AttachedRuns: which runs use an account now, and the limits that are in force because of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

from domain.limits.rates import AccountLimits

SILENT_SECONDS = 15.0
"""A run that nobody heard of for so long is gone; while it is there its coordinator is heard every second."""
LONGEST_LOOK_SECONDS = 1.0
"""Between two looks no more than this counts as listening."""


@dataclass(slots=True)
class _Run:
    limits: AccountLimits
    heard_at: float


class AttachedRuns:
    """The strictest limits of the runs that are attached are in force; where none is, those of the last ones stay.

    A run attaches, is heard again and again, and leaves or falls silent. Only the time in which the limiter listened
    counts as silence: one that was frozen hears everybody anew before it takes anybody for gone. A silent run is
    remembered, so that its limits bind again before a request of it is granted.
    """

    def __init__(self, in_force: AccountLimits, now: float) -> None:
        self._in_force = in_force
        # Who stands behind what is in force now is not known: they have their time to be heard.
        self._runs: dict[str | None, _Run] = {None: _Run(in_force, 0.0)}
        self._attached: list[AccountLimits] = []
        self._listened_seconds = 0.0
        self._looked_at = now

    def attach(self, run: str, limits: AccountLimits, now: float) -> None:
        """A run is there, and these are its limits; said again, they replace what it said before."""
        self._listen(now)
        self._runs[run] = _Run(limits, self._listened_seconds)

    def hear(self, run: str, now: float) -> None:
        """A run shows that it is still there; one that never attached changes nothing."""
        self._listen(now)
        if run in self._runs:
            self._runs[run].heard_at = self._listened_seconds

    def leave(self, run: str) -> None:
        """A run has ended; idempotent."""
        self._runs.pop(run, None)

    def in_force(self) -> AccountLimits:
        """The strictest limits of those who are attached."""
        heard_since = self._listened_seconds - SILENT_SECONDS
        attached = [run.limits for run in self._runs.values() if run.heard_at > heard_since]
        if attached and attached != self._attached:
            self._attached = attached
            self._in_force = reduce(AccountLimits.stricter, attached)
        return self._in_force

    def _listen(self, now: float) -> None:
        self._listened_seconds += min(max(0.0, now - self._looked_at), LONGEST_LOOK_SECONDS)
        self._looked_at = max(self._looked_at, now)
