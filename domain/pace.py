"""Pace: how long a broker's answers, a lane's pages and the turns between batches took, added up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, replace
from statistics import median_low

MOST_ABOVE_TYPICAL = 1.5
"""How many times the median's page the mean page of a batch may take and still tell of what is to come."""

CALLS_JUDGED = 10
"""Calls that a mean is taken over before it is compared with others."""

ENOUGH_CALLS = 1000
"""Calls whose mean tells that of others to 2 % where they vary by a half, as they do over the internet."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds over a number of requests and of batches; two paces add up to one over both.

    `call_seconds` run from having a permit to the answer's headers: while they run, a token is out;
    `squared_call_seconds` are the sum of their squares.
    `lane_seconds` are what lanes (a worker's `concurrency`) spent on pages in all, waits for the limits left out.
    `handover_seconds` are what workers spent between batches: on the report of one and the claim of the next.
    """

    requests: int = 0
    call_seconds: float = 0.0
    lane_seconds: float = 0.0
    squared_call_seconds: float = 0.0
    batches: int = 0
    handover_seconds: float = 0.0

    @classmethod
    def of_call(cls, seconds: float) -> Pace:
        """That of one call."""
        return cls(1, seconds, squared_call_seconds=seconds**2)

    def __add__(self, other: Pace) -> Pace:
        return Pace(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    def __bool__(self) -> bool:
        """Whether anything was timed: what was recorded before times were kept says nothing."""
        return self.requests > 0 and self.call_seconds > 0

    @property
    def mean_call_seconds(self) -> float:
        """From having a permit to the answer."""
        return self.call_seconds / self.requests if self.requests else 0.0

    @property
    def call_deviation_seconds(self) -> float:
        """The standard deviation of calls; 0 where none was recorded."""
        if self.requests < 2:
            return 0.0
        squares = self.squared_call_seconds - self.requests * self.mean_call_seconds**2
        return float(max(0.0, squares / (self.requests - 1)) ** 0.5)

    @property
    def mean_page_seconds(self) -> float:
        """What a lane needs for a page once it has a permit: never less than the call."""
        return max(self.lane_seconds / self.requests, self.mean_call_seconds) if self.requests else 0.0

    @property
    def mean_handover_seconds(self) -> float:
        """What a worker spends between two batches."""
        return self.handover_seconds / self.batches if self.batches else 0.0


NOTHING_TIMED = Pace()


def last_calls(newest_first: Iterable[Pace]) -> Iterator[Pace]:
    """The newest batches, as many as it takes to make `ENOUGH_CALLS`; no more are looked at."""
    calls_left = ENOUGH_CALLS
    for pace in newest_first:
        yield pace
        calls_left -= pace.requests
        if calls_left <= 0:
            return


def typical_pace(paces: Iterable[Pace]) -> Pace:
    """That of the batches which are like most: none whose pages took much longer than the median's.

    A worker's first batch pays for what it uses for the first time, connections and imports: in a short
    job a mean over everything is several times what pages take from then on. Batches of few calls are
    judged together: a single call may well take long.
    """
    timed = [pace for pace in paces if pace]
    # What was recorded before spreads and handovers were would pull both towards zero.
    groups = _grouped([pace for pace in timed if pace.batches] or timed)
    if not groups:
        return NOTHING_TIMED
    most_seconds = MOST_ABOVE_TYPICAL * median_low(pace.mean_page_seconds for pace in groups)
    typical = [pace for pace in groups if pace.mean_page_seconds <= most_seconds]
    handover_seconds = median_low(pace.mean_handover_seconds for pace in typical)
    total = sum(typical, NOTHING_TIMED)
    return replace(total, handover_seconds=total.batches * handover_seconds)


def _grouped(paces: Iterable[Pace]) -> list[Pace]:
    """Neighbours added up until each group has `CALLS_JUDGED`, the last one perhaps excepted."""
    groups: list[Pace] = []
    for pace in paces:
        if groups and groups[-1].requests < CALLS_JUDGED:
            groups[-1] += pace
        else:
            groups.append(pace)
    return groups
