"""PermitShaper: the pace of the shortest window, so that a full ledger is not spent in one burst."""

from __future__ import annotations

import asyncio

from aiolimiter import AsyncLimiter

from domain.rates import AccountLimits


class PermitShaper:
    """An `AsyncLimiter` that serves one request of its pool at a time, in whose order others come.

    What was shaped for a request that went away, or came back unused, goes to the next. The bucket
    holds a whole window, so it gives way to any burst that the ledger allows.
    """

    def __init__(self, limits: AccountLimits, pool: str = "") -> None:
        shortest_first = sorted(limits.limits, key=lambda limit: limit.window_seconds)
        self._limit = next((limit for limit in shortest_first if limit.cost(1, pool)), shortest_first[0])
        self._pool = pool
        self._bucket = AsyncLimiter(self._limit.amount, self._limit.window_seconds)
        self._ready = 0

    def is_ready(self, tokens: int, permits: int = 1) -> bool:
        """Whether so many requests of that weight need no more shaping."""
        return self._ready >= self._cost(tokens, permits)

    def use(self, tokens: int, permits: int = 1) -> None:
        """The requests go ahead."""
        self._ready -= self._cost(tokens, permits)

    def give_back(self, tokens: int) -> None:
        """A request went nowhere after all."""
        self._ready = min(self._ready + self._cost(tokens, 1), self._limit.amount)

    async def shape(self, tokens: int, permits: int, changed: asyncio.Event) -> None:
        """Wait until such requests are ready, or until something has changed: others may be the next then."""
        missing = self._cost(tokens, permits) - self._ready
        if self._bucket.has_capacity(missing):
            await self._bucket.acquire(missing)
            self._ready += missing
            return
        changed.clear()
        loop = asyncio.get_running_loop()
        shaping, waking = loop.create_task(self._bucket.acquire(missing)), loop.create_task(changed.wait())
        try:
            await asyncio.wait({shaping, waking}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waking.cancel()
            if not shaping.done():
                shaping.cancel()
            elif not shaping.cancelled():
                self._ready += missing

    def _cost(self, tokens: int, permits: int) -> int:
        return self._limit.cost(tokens, self._pool) * permits
