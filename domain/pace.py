"""Pace: how long a broker's answers and a lane's pages took, added up over requests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median_low


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds over a number of requests; two paces add up to one over both.

    `call_seconds` run from having a permit to the answer's headers: while they run, a token is out.
    `lane_seconds` are what lanes (a worker's `concurrency`) spent on pages in all, waits for permits left out.
    """

    requests: int = 0
    call_seconds: float = 0.0
    lane_seconds: float = 0.0

    def __add__(self, other: Pace) -> Pace:
        return Pace(
            self.requests + other.requests,
            self.call_seconds + other.call_seconds,
            self.lane_seconds + other.lane_seconds,
        )

    def with_calls_of_at_most(self, seconds: float) -> Pace:
        """The same lanes at work, with a token out for no longer than that in each call."""
        return Pace(self.requests, min(self.call_seconds, seconds * self.requests), self.lane_seconds)

    def __bool__(self) -> bool:
        """Whether anything was timed: what was recorded before times were kept says nothing."""
        return self.requests > 0 and self.call_seconds > 0

    @property
    def mean_call_seconds(self) -> float:
        """From having a permit to the answer."""
        return self.call_seconds / self.requests if self.requests else 0.0

    @property
    def mean_page_seconds(self) -> float:
        """What a lane needs for a page once it has a permit: never less than the call."""
        return max(self.lane_seconds / self.requests, self.mean_call_seconds) if self.requests else 0.0


NOTHING_TIMED = Pace()


def typical_pace(paces: Iterable[Pace]) -> Pace:
    """Over all the requests, at the lower median of the batches' means.

    A worker's first batch pays for what it uses for the first time, connections and imports: in a short
    job a mean over everything is several times what calls take from then on.
    """
    timed = [pace for pace in paces if pace]
    if not timed:
        return NOTHING_TIMED
    requests = sum(pace.requests for pace in timed)
    call_seconds = median_low(pace.mean_call_seconds for pace in timed)
    lane_seconds = median_low(pace.lane_seconds / pace.requests for pace in timed)
    return Pace(requests, requests * call_seconds, requests * lane_seconds)
