"""ArrivalLog: when each request arrived, and whether the limits were kept; tests judge by it."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.limits.rates import RateLimit


@dataclass(slots=True)
class Arrival:
    """One request: when it arrived (monotonic seconds), and the status it got (0: none yet).

    `start_ms` is the requested startTime; `fault` names the scripted fault of its answer. `lag_seconds` is how much
    later than the drawn latency it arrived, because the server was busy.
    """

    at_seconds: float
    path: str
    symbol: str
    weight: int
    client: str
    start_ms: str = ""
    status: int = 0
    lag_seconds: float = 0.0
    fault: str = ""


class ArrivalLog:
    """Logs every arrival, enforces the limits as true sliding windows, and judges from the log alone.

    Refused requests count as well. Windows are closed: two arrivals exactly one window apart both count.
    """

    def __init__(self, limits: Sequence[RateLimit], monotonic: Callable[[], float] = time.monotonic) -> None:
        self.arrivals: list[Arrival] = []
        self.lost = 0
        """How many requests the network lost on their way: they never arrived."""
        self._windows = [_SlidingWindow(limit) for limit in limits]
        self._minute = _SlidingWindow(RateLimit.parse("1000000000w/60s"))
        self._monotonic = monotonic

    @property
    def limits(self) -> list[RateLimit]:
        return [window.limit for window in self._windows]

    @property
    def used_weight(self) -> int:
        """The weight of the last minute's arrivals, up to the newest."""
        return self._minute.counted

    def arrive(
        self, path: str, symbol: str, weight: int, client: str, start_ms: str = "", lag_seconds: float = 0.0
    ) -> tuple[Arrival, float | None]:
        """Log an arrival; returns it with the time its sender has to wait, None when it fits every window."""
        arrival = Arrival(self._monotonic(), path, symbol, weight, client, start_ms, lag_seconds=lag_seconds)
        self.arrivals.append(arrival)
        self._minute.add(arrival.at_seconds, weight)
        waits = [window.add(arrival.at_seconds, weight) for window in self._windows]
        return arrival, max((wait_seconds for wait_seconds in waits if wait_seconds is not None), default=None)

    def report(self) -> dict[str, Any]:
        """The verdict: requests, the most that any window held, and how many arrivals were one too many."""
        held = {str(limit): held_at_each_arrival(self.arrivals, limit) for limit in self.limits}
        completed = [held[str(limit)] > limit.amount for limit in self.limits]
        return {
            "requests": len(self.arrivals),
            "lost": self.lost,
            "limits": [str(limit) for limit in self.limits],
            "most_in_window": {name: int(counts.max(initial=0)) for name, counts in held.items()},
            "violations": int(np.logical_or.reduce(completed).sum()) if completed else 0,
            "statuses": {str(status): count for status, count in Counter(a.status for a in self.arrivals).items()},
            "first_to_last_seconds": self.arrivals[-1].at_seconds - self.arrivals[0].at_seconds if self.arrivals else 0,
            "clients": len({arrival.client for arrival in self.arrivals}),
        }

    def as_json(self) -> list[dict[str, Any]]:
        """Every arrival in order."""
        return [asdict(arrival) for arrival in self.arrivals]


def held_at_each_arrival(arrivals: Sequence[Arrival], limit: RateLimit) -> NDArray[np.int64]:
    """What the closed window that ends at each arrival held, counted from the log.

    The fullest window of all is one of these: moving a window's end back to the last arrival inside loses nothing.
    """
    moments = np.array([arrival.at_seconds for arrival in arrivals], np.float64)
    costs = np.array([limit.cost(arrival.weight) for arrival in arrivals], np.int64)
    total_before = np.concatenate([np.zeros(1, np.int64), np.cumsum(costs)])
    first_inside = np.searchsorted(moments, moments - limit.window_seconds, side="left")
    held: NDArray[np.int64] = total_before[1:] - total_before[first_inside]
    return held


class _SlidingWindow:
    """What one limit holds at the newest arrival."""

    def __init__(self, limit: RateLimit) -> None:
        self.limit = limit
        self.counted = 0
        self._inside: deque[tuple[float, int]] = deque()

    def add(self, at_seconds: float, weight: int) -> float | None:
        """Count an arrival; if it is one too many, how long until the same fits again."""
        cost = self.limit.cost(weight)
        self._inside.append((at_seconds, cost))
        self.counted += cost
        while self._inside[0][0] < at_seconds - self.limit.window_seconds:
            self.counted -= self._inside.popleft()[1]
        return self._seconds_until_room(at_seconds, cost) if self.counted > self.limit.amount else None

    def _seconds_until_room(self, at_seconds: float, cost: int) -> float:
        excess = self.counted + cost - self.limit.amount
        for moment, leaving in self._inside:
            excess -= leaving
            if excess <= 0:
                return moment + self.limit.window_seconds - at_seconds
        return math.inf
