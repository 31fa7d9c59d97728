"""Findings: what was noticed of the candles while they were collected, as counts of bars by name.

The reasons for which bars were refused are findings, and so are the two of the calendar below.
"""

from __future__ import annotations

from collections.abc import Mapping

ABSENT = "expected by the calendar and not there"
UNEXPECTED = "outside of the calendar's sessions"
OF_THE_CALENDAR = (ABSENT, UNEXPECTED)


def added(some: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """Both together; what was never found has no entry."""
    total = {name: some.get(name, 0) + more.get(name, 0) for name in (*some, *more)}
    return {name: count for name, count in total.items() if count}
