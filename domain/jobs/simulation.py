"""The simulation of a job: its slots, batches and permits, with calls as they were recorded."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, repeat
from typing import TypeAlias

import numpy as np

from domain.jobs.timings import Timings
from domain.limits.rates import RateLimit
from domain.limits.windows import CLOCK_DRIFT_SHARE, CLOSED_EDGE_SECONDS

Batches: TypeAlias = Sequence[Sequence[int]]
"""For each batch, the pages of its symbols, in the order in which both are handed out."""
_SEED = 0
"""Seed of the drawn calls: the same plan gives the same forecast."""
_DRAWN_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class Slots:
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


def slots_makespan_seconds(batches: Batches, slots: Slots, page_seconds: float, turnaround_seconds: float) -> float:
    """How long the slots need when permits need no wait and every page takes the same time."""
    workers = [0.0] * slots.workers
    for batch in batches:
        free_at = heapq.heappop(workers)
        ends = [free_at] * min(slots.concurrency, len(batch))
        for pages in batch:
            heapq.heapreplace(ends, ends[0] + pages * page_seconds)
        heapq.heappush(workers, max(ends) + turnaround_seconds)
    return max(workers)


def simulated_makespan_seconds(
    batches: Batches, slots: Slots, limits: Sequence[RateLimit], weight: int, timings: Timings, most_held_seconds: float
) -> float:
    """From the first request to the last batch reported, if calls, pages and turnarounds are like `timings`.

    A token is in use while its call lasts, `most_held_seconds` at most, and counts for one window more. So a request
    waits for its slot, for the request before it, and until all but `amount - 1` earlier tokens no longer count.
    """
    windows = [(limit.amount // limit.cost(weight), widened(limit).window_seconds, list[float]()) for limit in limits]
    saving_seconds = timings.mean_page_seconds - timings.mean_call_seconds
    calls = calls_like(timings)
    granted_at = 0.0
    work = _Work(batches, slots, timings.mean_turnaround_seconds)
    while work.ready:
        granted_at = max(granted_at, work.ready[0][0])
        for amount, _, completed_at in windows:
            if len(completed_at) == amount:
                granted_at = max(granted_at, heapq.heappop(completed_at))
        call_seconds = next(calls)
        for _, window_seconds, completed_at in windows:
            heapq.heappush(completed_at, granted_at + min(call_seconds, most_held_seconds) + window_seconds)
        work.first_is_saved(granted_at + call_seconds + saving_seconds)
    return work.reported_at


def calls_like(timings: Timings) -> Iterator[float]:
    """Durations of calls with the recorded mean and deviation; the same sequence every time.

    A batch waits for its slowest slot, so calls that all took the mean would end sooner than real ones do.
    """
    mean, deviation = timings.mean_call_seconds, timings.call_deviation_seconds
    if not deviation:
        yield from repeat(mean)
    shape = (mean / deviation) ** 2
    numbers = np.random.default_rng(_SEED)
    while True:
        yield from numbers.gamma(shape, mean / shape, _DRAWN_AT_ONCE).tolist()


class _Work:
    """The slots of all workers, ordered by their next requests.

    `ready` is a heap of (when, after which grant, number, worker, pages left): slots that are ready at the same moment
    go in the order of their last grants.
    """

    def __init__(self, batches: Batches, slots: Slots, turnaround_seconds: float) -> None:
        self.ready: list[tuple[float, int, int, int, int]] = []
        self.reported_at = 0.0
        """When the last batch so far was reported."""
        self._turnaround_seconds = turnaround_seconds
        self._batches = deque(batches)
        self._concurrency = slots.concurrency
        self._symbols: list[deque[int]] = [deque() for _ in range(slots.workers)]
        self._busy_slots = [0] * slots.workers
        self._grants = 0
        self._numbers = count()
        for worker in range(slots.workers):
            self._claim(worker, 0.0, 0)

    def first_is_saved(self, moment: float) -> None:
        """The first slot's page is saved at that moment; another slot is the first now."""
        self._grants += 1
        *_, worker, pages_left = heapq.heappop(self.ready)
        self._push(moment, self._grants, worker, pages_left - 1)
        while self.ready and not self.ready[0][-1]:
            moment, grant, _, worker, _ = heapq.heappop(self.ready)
            self._end_symbol(worker, moment, grant)

    def _end_symbol(self, worker: int, moment: float, grant: int) -> None:
        """The slot takes the worker's next symbol; the last slot reports the batch and claims another."""
        if self._symbols[worker]:
            self._push(moment, grant, worker, self._symbols[worker].popleft())
            return
        self._busy_slots[worker] -= 1
        if not self._busy_slots[worker]:
            self.reported_at = max(self.reported_at, moment + self._turnaround_seconds)
            self._claim(worker, moment + self._turnaround_seconds, grant)

    def _claim(self, worker: int, moment: float, grant: int) -> None:
        if not self._batches:
            return
        self._symbols[worker].extend(self._batches.popleft())
        self._busy_slots[worker] = min(self._concurrency, len(self._symbols[worker]))
        for _ in range(self._busy_slots[worker]):
            self._push(moment, grant, worker, self._symbols[worker].popleft())

    def _push(self, moment: float, grant: int, worker: int, pages: int) -> None:
        heapq.heappush(self.ready, (moment, grant, next(self._numbers), worker, pages))
