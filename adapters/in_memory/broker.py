"""InMemoryGateway and InMemoryRateLimiter: a broker without a network, and permits without a wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias

from domain.brokers.gateway import CandlePage, PageRequest
from domain.candles.candles import Candles
from domain.candles.dataset import Dataset, Interval
from domain.errors import BrokerError, BrokerThrottled, SymbolRejected
from domain.limits.messages import Priority
from domain.limits.ports import PermitSource
from domain.limits.usage import BrokerUsage

Mishap: TypeAlias = BrokerError | asyncio.Event
"""An error to raise after the request was answered, or an event that leaves it hanging until set."""

FAR_FUTURE_MS = 2**53


class InMemoryPermit:
    """A permit that remembers what was done with it."""

    travel_seconds = 0.0

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self.is_sent = False
        self.is_answered = False
        self.usage: tuple[BrokerUsage, ...] = ()

    def sent(self) -> None:
        """The request is about to be written."""
        self.is_sent = True

    def answered(self, usage: Sequence[BrokerUsage] = ()) -> None:
        """The response headers are in."""
        self.is_answered = True
        self.usage = tuple(usage)


class InMemoryRateLimiter:
    """Grants without limit, and counts: every permit ends as `answered`, `unused` or `strays`.

    Clear `gate` and whoever asks waits until it is set; `waiting` says how many do. `usage` keeps what
    the broker told of its counts, answer by answer.
    """

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.granted = 0
        self.tokens_granted = 0
        self.answered = 0
        self.unused = 0
        self.strays = 0
        self.waiting = 0
        self.cooldowns: list[tuple[float | None, str]] = []
        self.bound_jobs: list[tuple[str, Priority]] = []
        self.usage: list[tuple[BrokerUsage, ...]] = []
        self.closed = False

    @asynccontextmanager
    async def acquire(self, tokens: int = 1, pool: str = "") -> AsyncIterator[InMemoryPermit]:
        """Wait for the gate, then grant."""
        await self._pass_gate()
        self.granted += 1
        self.tokens_granted += tokens
        permit = InMemoryPermit(tokens)
        try:
            yield permit
        finally:
            self.answered += permit.is_answered
            if permit.is_answered:
                self.usage.append(permit.usage)
            self.strays += permit.is_sent and not permit.is_answered
            self.unused += not permit.is_sent

    async def cool_down(self, retry_after_seconds: float | None, reason: str) -> None:
        """Note the broker's refusal in `seals`; nobody is held up."""
        self.cooldowns.append((retry_after_seconds, reason))

    def bound_to(self, job_id: str, priority: Priority = Priority.BULK) -> PermitSource:
        """This very limiter; the job and its priority are noted in `bound_jobs`."""
        self.bound_jobs.append((job_id, priority))
        return self

    async def close(self) -> None:
        """Nothing is held, so nothing goes back."""
        self.closed = True

    async def _pass_gate(self) -> None:
        self.waiting += 1
        try:
            await self.gate.wait()
        finally:
            self.waiting -= 1


class InMemoryGateway:
    """A broker that serves `market`, one wire request per page.

    `mishaps` scripts what goes wrong: the first requests of a symbol meet them in turn. A symbol without
    a market is rejected. Raise or lower `closed_before_ms` to play with the bar that is still forming;
    what lies behind it is served as well, as real brokers do. `pages_asked` keeps every request.
    """

    tokens_per_request = 1
    pool = ""

    def __init__(
        self,
        market: Mapping[str, Candles],
        name: str = "memory",
        max_candles_per_page: int = 1000,
        closed_before_ms: int = FAR_FUTURE_MS,
        mishaps: Mapping[str, Iterable[Mishap]] | None = None,
        latency_seconds: float = 0.0,
    ) -> None:
        self.name = name
        self.max_candles_per_page = max_candles_per_page
        self.closed_before_ms = closed_before_ms
        self.latency_seconds = latency_seconds
        self.pages_asked: list[PageRequest] = []
        self.in_flight = 0
        self.closed = False
        self._market = dict(market)
        self._mishaps = {symbol: list(ones) for symbol, ones in (mishaps or {}).items()}

    def dataset(self, symbol: str, interval: Interval) -> Dataset:
        """Raw candles on a grid anchored at 1970, whatever the interval."""
        return Dataset(self.name, symbol, interval)

    async def fetch_page(self, request: PageRequest, permits: PermitSource) -> CandlePage:
        """The market's candles in the span, or the symbol's next mishap."""
        async with permits.acquire(self.tokens_per_request, self.pool) as permit:
            permit.sent()
            self.pages_asked.append(request)
            self.in_flight += 1
            try:
                mishap = await self._transmit(request.dataset.symbol)
            finally:
                self.in_flight -= 1
            permit.answered()
        if isinstance(mishap, BrokerThrottled):
            await permits.cool_down(mishap.retry_after_seconds, mishap.message)
        if mishap is not None:
            raise mishap
        return CandlePage(request, self._serve(request), self.closed_before_ms)

    async def close(self) -> None:
        """Nothing is open; `closed` remembers the call."""
        self.closed = True

    async def _transmit(self, symbol: str) -> BrokerError | None:
        await asyncio.sleep(self.latency_seconds)
        script = self._mishaps.get(symbol)
        mishap = script.pop(0) if script else None
        if isinstance(mishap, asyncio.Event):
            await mishap.wait()
            return None
        return mishap

    def _serve(self, request: PageRequest) -> Candles:
        symbol = request.dataset.symbol
        if symbol not in self._market:
            raise SymbolRejected(self.name, symbol, "unknown symbol")
        return self._market[symbol].within(request.span)
