"""A job gone through in the head: its lanes, its batches and its permits, with calls that all take as long."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from domain.pace import Pace
from domain.permit_windows import CLOCK_DRIFT_SHARE, CLOSED_EDGE_SECONDS
from domain.rates import RateLimit

Batches: TypeAlias = Sequence[Sequence[int]]
"""For each batch, the pages of its symbols, in the order in which both are handed out."""


@dataclass(frozen=True, slots=True)
class Lanes:
    """How a job's work is spread: so many symbols at a time in each of so many workers, batch by batch."""

    workers: int
    concurrency: int
    batch_size: int

    def batches_of(self, pages: Sequence[int]) -> Batches:
        """The batches of a job with these pages, without symbols that need none."""
        batches = [
            [count for count in pages[first : first + self.batch_size] if count]
            for first in range(0, len(pages), self.batch_size)
        ]
        return [batch for batch in batches if batch]


def widened(limit: RateLimit) -> RateLimit:
    """The limit with the window that the ledger counts."""
    return replace(limit, window_seconds=limit.window_seconds * (1 + CLOCK_DRIFT_SHARE) + CLOSED_EDGE_SECONDS)


def lanes_makespan_seconds(batches: Batches, lanes: Lanes, page_seconds: float) -> float:
    """How long the lanes need when permits are there at once."""
    workers = [0.0] * lanes.workers
    for batch in batches:
        free_at = heapq.heappop(workers)
        ends = [free_at] * min(lanes.concurrency, len(batch))
        for pages in batch:
            heapq.heapreplace(ends, ends[0] + pages * page_seconds)
        heapq.heappush(workers, max(ends))
    return max(workers)


def rehearsed_makespan_seconds(
    batches: Batches, lanes: Lanes, limits: Sequence[RateLimit], weight: int, pace: Pace
) -> float:
    """From the first request to the last page saved, exactly, if every call and every page take the mean.

    Calls of one length end in the order of their permits, so the ledger comes down to this: request n
    waits for its lane, for request n-1, and in each window of `amount` requests for the end of request
    n-amount and one window after it.
    """
    windows = [
        (
            deque[float](maxlen=limit.amount // limit.cost(weight)),
            widened(limit).window_seconds + pace.mean_call_seconds,
        )
        for limit in limits
    ]
    granted_at = saved_at = 0.0
    work = _Work(batches, lanes)
    while work.ready:
        granted_at = max(granted_at, work.ready[0][0])
        for grants, cycle_seconds in windows:
            if len(grants) == grants.maxlen:
                granted_at = max(granted_at, grants[0] + cycle_seconds)
        for grants, _ in windows:
            grants.append(granted_at)
        saved_at = max(saved_at, granted_at + pace.mean_page_seconds)
        work.first_is_saved(granted_at + pace.mean_page_seconds)
    return saved_at


class _Work:
    """Which lane of which worker asks next. `ready` is a heap of (when, order, worker, pages left)."""

    def __init__(self, batches: Batches, lanes: Lanes) -> None:
        self.ready: list[tuple[float, int, int, int]] = []
        self._batches = deque(batches)
        self._concurrency = lanes.concurrency
        self._symbols: list[deque[int]] = [deque() for _ in range(lanes.workers)]
        self._busy_lanes = [0] * lanes.workers
        self._order = 0
        for worker in range(lanes.workers):
            self._claim(worker, 0.0)

    def first_is_saved(self, moment: float) -> None:
        """The page of the lane at the head is saved: the lane goes on with what comes next."""
        _, _, worker, pages_left = heapq.heappop(self.ready)
        if pages_left > 1:
            self._push(moment, worker, pages_left - 1)
        elif self._symbols[worker]:
            self._push(moment, worker, self._symbols[worker].popleft())
        else:
            self._busy_lanes[worker] -= 1
            if not self._busy_lanes[worker]:
                self._claim(worker, moment)

    def _claim(self, worker: int, moment: float) -> None:
        if not self._batches:
            return
        self._symbols[worker].extend(self._batches.popleft())
        self._busy_lanes[worker] = min(self._concurrency, len(self._symbols[worker]))
        for _ in range(self._busy_lanes[worker]):
            self._push(moment, worker, self._symbols[worker].popleft())

    def _push(self, moment: float, worker: int, pages: int) -> None:
        self._order += 1
        heapq.heappush(self.ready, (moment, self._order, worker, pages))
