"""PermitShaper: the pace of the shortest window, so that a full ledger is not spent in one burst."""

from __future__ import annotations

import asyncio

from aiolimiter import AsyncLimiter

from domain.rates import RateLimit


class PermitShaper:
    """An `AsyncLimiter` that serves one request at a time, in whose order others come.

    What was shaped for a request that went away, or came back unused, goes to the next.
    """

    def __init__(self, limit: RateLimit) -> None:
        self._limit = limit
        self._bucket = AsyncLimiter(limit.amount, limit.window_seconds)
        self._ready = 0

    def is_ready(self, tokens: int) -> bool:
        """Whether a request of that weight needs no more shaping."""
        return self._ready >= self._limit.cost(tokens)

    def use(self, tokens: int) -> None:
        """The request goes ahead."""
        self._ready -= self._limit.cost(tokens)

    def give_back(self, tokens: int) -> None:
        """The request went nowhere after all."""
        self._ready = min(self._ready + self._limit.cost(tokens), self._limit.amount)

    async def shape(self, tokens: int, changed: asyncio.Event) -> None:
        """Wait until such a request is ready, or until something has changed: another may be the next then."""
        cost = self._limit.cost(tokens)
        missing = cost - self._ready
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
