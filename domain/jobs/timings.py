"""Timings: how long a broker's answers, a slot's pages and the turnarounds between batches took, added up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, replace
from statistics import median_low

FEW_CALLS = 30
"""With fewer calls of warm batches than this, cold batches are used, too."""

ENOUGH_CALLS = 1000
"""So many calls give the mean to 2 % where calls vary by a half, as they do over the internet."""


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds over a number of requests and of batches; timings can be added up.

    `call_seconds` run from having a permit to the answer's headers: while they run, a token is in use;
    `squared_call_seconds` are the sum of their squares. `slot_seconds` are what slots (a worker's `concurrency`) spent
    on pages, without waits for limits. `turnaround_seconds` are what workers spent between batches, on the report of
    one and the claim of the next; `batches` counts warm batches, those after a turnaround. A worker's first batch is
    cold: it includes first connections and imports.
    """

    requests: int = 0
    call_seconds: float = 0.0
    slot_seconds: float = 0.0
    squared_call_seconds: float = 0.0
    batches: int = 0
    turnaround_seconds: float = 0.0

    @classmethod
    def of_call(cls, seconds: float) -> Timings:
        """The timings of one call."""
        return cls(1, seconds, squared_call_seconds=seconds**2)

    def __add__(self, other: Timings) -> Timings:
        return Timings(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    def __bool__(self) -> bool:
        """Whether anything was timed; the oldest stored batches have no timings."""
        return self.requests > 0 and self.call_seconds > 0

    @property
    def mean_call_seconds(self) -> float:
        """The mean time from a permit to its answer."""
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
        """The mean time of a slot for a page once it has a permit: never less than the call."""
        return max(self.slot_seconds / self.requests, self.mean_call_seconds) if self.requests else 0.0

    @property
    def mean_turnaround_seconds(self) -> float:
        """The mean time of a worker between two batches."""
        return self.turnaround_seconds / self.batches if self.batches else 0.0


NOTHING_TIMED = Timings()


def last_calls(newest_first: Iterable[Timings]) -> Iterator[Timings]:
    """The newest batches, as many as make `ENOUGH_CALLS`; no more are read."""
    calls_left = ENOUGH_CALLS
    for timings in newest_first:
        yield timings
        calls_left -= timings.requests
        if calls_left <= 0:
            return


def typical_timings(timings: Iterable[Timings]) -> Timings:
    """The timings to expect of future batches: the mean over warm ones, or over all where these made few calls."""
    timed = [timings for timings in timings if timings]
    warm = [timings for timings in timed if timings.batches]
    chosen = warm if sum(timings.requests for timings in warm) >= FEW_CALLS else timed
    total = sum(chosen, NOTHING_TIMED)
    # The oldest batches have no squares: they would pull the deviation towards zero.
    spread = sum((timings for timings in chosen if timings.squared_call_seconds), NOTHING_TIMED)
    squares = (
        total.requests * total.mean_call_seconds**2 + max(0, total.requests - 1) * spread.call_deviation_seconds**2
    )
    # A turnaround may be long for another reason: a worker may wait for a batch that another one gives back.
    turnaround_seconds = median_low([timings.mean_turnaround_seconds for timings in warm] or [0.0])
    return replace(total, squared_call_seconds=squares, turnaround_seconds=total.batches * turnaround_seconds)
