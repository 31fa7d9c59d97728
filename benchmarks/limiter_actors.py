"""The actors of the limiter benchmark: an aiolimiter to compare with, and the clients that send requests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiolimiter import AsyncLimiter

from actors.permit_client import PermitClient
from adapters.brokers.binance import BinanceGateway
from domain.candles import Interval
from domain.errors import BrokerThrottled
from domain.ports import PageRequest, Permit, PermitSource
from domain.timespan import TimeSpan

FIRST_DAY_MS = 1_420_070_400_000
DAY_MS = 86_400_000


class AsyncLimiterActor:
    """What one writes without a ledger: aiolimiter behind an actor."""

    def __init__(self, amount: float, window_seconds: float) -> None:
        self._amount, self._window_seconds = amount, window_seconds
        self._limiter: AsyncLimiter | None = None

    async def acquire(self) -> None:
        """Wait for the limiter; it belongs to the event loop that first asks."""
        self._limiter = self._limiter or AsyncLimiter(self._amount, self._window_seconds)
        await self._limiter.acquire()


@dataclass
class ClientTally:
    """What one client did."""

    call_seconds: list[float] = field(default_factory=list)
    """From the first byte written to the response headers, for each request."""
    refused: int = 0


class BenchmarkClient:
    """Sends requests through the real gateway, each as soon as its limiter lets it."""

    def __init__(self, base_url: str, limiter: Any, has_ledger: bool) -> None:
        self._gateway = BinanceGateway(base_url)
        self._limiter, self._has_ledger = limiter, has_ledger
        self._tally = ClientTally()

    async def ready(self) -> bool:
        """Answers once the process is up."""
        return True

    async def run(self, requests: int, lanes: int) -> ClientTally:
        """Send that many requests, with up to `lanes` waiting or in flight; refused ones are not repeated."""
        client = self._permit_client() if self._has_ledger else None
        source = TimedPermits(client or BarePermits(self._limiter), self._tally)
        left = iter(range(requests))
        await asyncio.gather(*(self._lane(left, source) for _ in range(lanes)))
        if client:
            await client.close()
        await self._gateway.close()
        return self._tally

    def _permit_client(self) -> PermitClient:
        # Ray reads its environment when it is imported, so the driver must not import it before it is set.
        from actors.handles import RemoteRateLimiter

        return PermitClient(RemoteRateLimiter(self._limiter))

    async def _lane(self, left: Any, source: PermitSource) -> None:
        span = TimeSpan(FIRST_DAY_MS, FIRST_DAY_MS + 5 * DAY_MS)
        dataset = self._gateway.dataset("BENCH", Interval("1d"))
        for _ in left:
            try:
                await self._gateway.fetch_page(PageRequest(dataset, span), source)
            except BrokerThrottled:
                self._tally.refused += 1


class BarePermits:
    """An AsyncLimiterActor as a permit source: nobody hears what became of a permit, or of a refusal."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    @asynccontextmanager
    async def acquire(self, tokens: int = 1, pool: str = "") -> AsyncIterator[Permit]:
        await self._actor.acquire.remote()
        yield BarePermit(tokens)

    async def seal(self, retry_after_seconds: float | None, reason: str) -> None:
        return None


@dataclass
class BarePermit:
    """A permit that tells nobody anything."""

    tokens: int

    def sent(self) -> None:
        return None

    def answered(self) -> None:
        return None


class TimedPermits:
    """Another source's permits, with the length of every call noted."""

    def __init__(self, source: PermitSource, tally: ClientTally) -> None:
        self._source, self._tally = source, tally

    @asynccontextmanager
    async def acquire(self, tokens: int = 1, pool: str = "") -> AsyncIterator[Permit]:
        async with self._source.acquire(tokens, pool) as permit:
            yield _TimedPermit(permit, self._tally)

    async def seal(self, retry_after_seconds: float | None, reason: str) -> None:
        await self._source.seal(retry_after_seconds, reason)


class _TimedPermit:
    def __init__(self, permit: Permit, tally: ClientTally) -> None:
        self._permit, self._tally = permit, tally
        self._sent_at = 0.0

    @property
    def tokens(self) -> int:
        return self._permit.tokens

    def sent(self) -> None:
        self._permit.sent()
        self._sent_at = time.monotonic()

    def answered(self) -> None:
        self._permit.answered()
        self._tally.call_seconds.append(time.monotonic() - self._sent_at)
