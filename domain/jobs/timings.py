"""Pace: how long a broker's answers, a lane's pages and the turns between batches took, added up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, replace
from statistics import median_low

FEW_CALLS = 30
"""Below so many calls of warm batches, those of cold ones tell more than they spoil."""

ENOUGH_CALLS = 1000
"""Calls whose mean tells that of others to 2 % where they vary by a half, as they do over the internet."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds over a number of requests and of batches; two paces add up to one over both.

    `call_seconds` run from having a permit to the answer's headers: while they run, a token is out;
    `squared_call_seconds` are the sum of their squares.
    `lane_seconds` are what lanes (a worker's `concurrency`) spent on pages in all, waits for the limits left out.
    `handover_seconds` are what workers spent between batches, on the report of one and the claim of the next;
    `batches` counts the warm ones, before which there was a handover. A worker's first batch is cold: it pays
    for what is used for the first time, connections and imports.
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
    """What is to be expected of batches to come: the mean over warm ones, or over all where these made few calls."""
    timed = [pace for pace in paces if pace]
    warm = [pace for pace in timed if pace.batches]
    chosen = warm if sum(pace.requests for pace in warm) >= FEW_CALLS else timed
    total = sum(chosen, NOTHING_TIMED)
    # The oldest batches have no squares: they would pull the spread towards zero.
    spread = sum((pace for pace in chosen if pace.squared_call_seconds), NOTHING_TIMED)
    squares = (
        total.requests * total.mean_call_seconds**2 + max(0, total.requests - 1) * spread.call_deviation_seconds**2
    )
    # One handover may be long for reasons of its own: a worker may wait for what another gives back.
    handover_seconds = median_low([pace.mean_handover_seconds for pace in warm] or [0.0])
    return replace(total, squared_call_seconds=squares, handover_seconds=total.batches * handover_seconds)
