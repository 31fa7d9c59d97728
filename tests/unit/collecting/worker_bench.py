"""A CollectionWorker among shipped fakes, ready to be put into any state; everything in virtual time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import numpy as np

from actors.collection_worker import CollectionWorker
from adapters.in_memory import (
    InMemoryCandleRepository,
    InMemoryExchange,
    InMemoryGateway,
    InMemoryJobRepository,
    InMemoryRateLimiter,
    RecordingEmitter,
)
from domain.candles.candles import Candles
from domain.candles.dataset import Interval
from domain.candles.ports import TradingCalendar
from domain.jobs.batches import WorkerOutcome
from domain.jobs.request import CollectionRequest
from domain.jobs.retries import RetryPolicy
from domain.spans.time_span import TimeSpan

MINUTE_MS = 60_000


def bars(count: int, first: int = 0) -> Candles:
    """Valid one-minute candles, from minute number `first` on."""
    openings = (np.arange(count, dtype=np.int64) + first) * MINUTE_MS
    price = 100 + np.arange(count, dtype=np.float64)
    return Candles(openings, price, price + 1, price - 1, price, np.ones(count))


def minutes(first: int, end: int) -> TimeSpan:
    return TimeSpan(first * MINUTE_MS, end * MINUTE_MS)


def names(count: int) -> tuple[str, ...]:
    return tuple(f"S{number:02}" for number in range(count))


class Bench:
    """One worker, one job of `symbols` times `bars_each` one-minute bars, pages of 10 bars.

    `span` may be another one; `candles` may be shared with another bench.
    `before_blocking` runs ahead of every call that would go to a thread.
    """

    def __init__(
        self,
        symbols: Iterable[str] = names(1),
        bars_each: int = 10,
        mishaps: Mapping[str, Any] | None = None,
        batch_size: int = 10,
        concurrency: int = 1,
        market: Mapping[str, Candles] | None = None,
        policy: RetryPolicy | None = None,
        before_blocking: Callable[[Callable[..., Any]], Awaitable[None]] | None = None,
        calendar: TradingCalendar | None = None,
        span: TimeSpan | None = None,
        settle_seconds: int = 0,
        clock: Callable[[], float] = time.time,
        candles: InMemoryCandleRepository | None = None,
        most_rows: int = 10,
        **exchange: Any,
    ) -> None:
        self.symbols = tuple(symbols)
        self.span = span or minutes(0, bars_each)
        self.request = CollectionRequest(
            "memory",
            "default",
            self.symbols,
            Interval("1m"),
            self.span,
            batch_size=batch_size,
            concurrency=concurrency,
            settle_seconds=settle_seconds,
        )
        if market is None:
            market = {symbol: bars(bars_each) for symbol in self.symbols}
        self.exchange = InMemoryExchange(market, mishaps=mishaps, **exchange)
        self.gateway = InMemoryGateway(most_rows=most_rows)
        self.candles = candles or InMemoryCandleRepository()
        self.limiter = InMemoryRateLimiter()
        self.jobs = InMemoryJobRepository(self.request)
        self.emitter = RecordingEmitter()
        self._before_blocking = before_blocking
        self.worker = CollectionWorker(
            self.jobs,
            self.gateway,
            self.exchange,
            self.candles,
            self.limiter,
            self.emitter,
            retry_policy=policy or RetryPolicy(),
            name="worker-1",
            random01=lambda: 0.5,
            clock=clock,
            run_blocking=self._run_inline,
            calendar=calendar,
        )

    async def _run_inline(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self._before_blocking:
            await self._before_blocking(call)
        return call(*args, **kwargs)

    async def run(self) -> WorkerOutcome:
        return await self.worker.run(self.jobs.job_id)

    def begin(self) -> asyncio.Task[WorkerOutcome]:
        return asyncio.create_task(self.run())

    def stored(self, symbol: str) -> int:
        return len(self.candles.read(self.gateway.dataset(symbol, Interval("1m")), self.span))

    def is_complete(self, symbol: str) -> bool:
        return self.candles.coverage(self.gateway.dataset(symbol, Interval("1m")), self.span).is_complete

    @property
    def asked(self) -> list[tuple[str, TimeSpan]]:
        return self.exchange.asked


async def a_while() -> None:
    """Wait until nothing more happens by itself."""
    await asyncio.sleep(5)
