"""PermitShaper: spreads permits over the shortest window, so that a full ledger is not spent in one burst."""

from __future__ import annotations

import asyncio

from aiolimiter import AsyncLimiter

from domain.limits.rates import AccountLimits

EVEN_BURST_SHARE = 0.05
"""While jobs share a pool, this part of the shortest window may be granted at once."""
LEAST_EVEN_BURST = 2.0
"""A bucket of one token would lose the time by which each wake-up is late."""


class PermitShaper:
    """Two `AsyncLimiter`s that serve one request of a pool at a time, in the queue's order.

    One holds a whole window and lets any burst through that the ledger allows. The other, used while jobs share the
    pool, spreads the same rate evenly: otherwise tokens that return in one burst would go to the job with most requests
    waiting, and a job with few in flight would miss its share. Tokens shaped for a request that went away, or was never
    sent, go to the next.
    """

    def __init__(self, limits: AccountLimits, pool: str = "") -> None:
        shortest_first = sorted(limits.limits, key=lambda limit: limit.window_seconds)
        self._limit = next((limit for limit in shortest_first if limit.cost(1, pool)), shortest_first[0])
        self._pool = pool
        amount, seconds = self._limit.amount, self._limit.window_seconds
        even = min(max(LEAST_EVEN_BURST, amount * EVEN_BURST_SHARE), amount)
        self._burst = _Bucket(AsyncLimiter(amount, seconds))
        self._even = _Bucket(AsyncLimiter(even, seconds * even / amount))

    @property
    def window_seconds(self) -> float:
        """The length of the window that is shaped."""
        return self._limit.window_seconds

    def is_ready(self, tokens: int, permits: int = 1, evenly: bool = False) -> bool:
        """Whether so many requests of that weight can go ahead now."""
        cost = self._cost(tokens, permits)
        return self._burst.ready >= cost and (not evenly or self._even.ready >= cost)

    def use(self, tokens: int, permits: int = 1) -> None:
        """The requests go ahead."""
        self._burst.ready -= self._cost(tokens, permits)
        self._even.ready = max(0, self._even.ready - self._cost(tokens, permits))

    def give_back(self, tokens: int) -> None:
        """A request was never sent: the next may use its tokens."""
        for bucket in (self._burst, self._even):
            bucket.ready = min(bucket.ready + self._cost(tokens, 1), bucket.capacity)

    async def shape(self, tokens: int, permits: int, evenly: bool, changed: asyncio.Event) -> None:
        """Wait until such requests are ready, or until something has changed: others may be next then."""
        cost = self._cost(tokens, permits)
        buckets = [self._burst, self._even] if evenly else [self._burst]
        if all(bucket.has(cost) for bucket in buckets):
            await _fill(buckets, cost)
            return
        changed.clear()
        loop = asyncio.get_running_loop()
        tasks = loop.create_task(_fill(buckets, cost)), loop.create_task(changed.wait())
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    def _cost(self, tokens: int, permits: int) -> int:
        return self._limit.cost(tokens, self._pool) * permits


class _Bucket:
    """A limiter, and the tokens that were taken from it and not used yet."""

    def __init__(self, limiter: AsyncLimiter) -> None:
        self._limiter = limiter
        self.ready = 0.0

    @property
    def capacity(self) -> float:
        return self._limiter.max_rate

    def has(self, amount: float) -> bool:
        missing = max(0.0, amount - self.ready)
        return missing <= self.capacity and self._limiter.has_capacity(missing)

    async def fill(self, amount: float) -> None:
        while self.ready < amount:
            part = min(amount - self.ready, self.capacity)
            await self._limiter.acquire(part)
            self.ready += part


async def _fill(buckets: list[_Bucket], amount: float) -> None:
    for bucket in buckets:
        await bucket.fill(amount)
