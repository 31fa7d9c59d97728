"""A client process of a race: many slots that send requests through the real gateway."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from actors.collecting.permit_client import PermitClient
from actors.rate_limiter import RateLimiter
from adapters.boot_clock import boot_seconds
from adapters.brokers.binance.gateway import BinanceGateway
from adapters.brokers.binance.usage import used_weights
from adapters.brokers.http.transport import HttpTransport
from benchmarks.peers.contestants import Contestant
from benchmarks.peers.libraries import Place, Take
from benchmarks.peers.networks import LIMIT
from domain.brokers.queries import Instrument, Wanted
from domain.candles.dataset import Interval
from domain.errors import BrokerThrottled
from domain.limits.ports import Permit, PermitSource
from domain.limits.usage import BrokerUsage
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan

if TYPE_CHECKING:
    from actors.cluster.builders import LimiterBuilder

FUTURE_DAYS = TimeSpan(4_102_444_800_000, 4_102_444_800_000 + 5 * 86_400_000)
"""Five days of the year 2100: an empty answer is the least work for both sides, and only requests matter."""
LAG_SAMPLE_SECONDS = 0.01
FLUSH_SECONDS = 0.5 * LIMIT.window_seconds


@dataclass(frozen=True)
class Errand:
    """The work of one client process.

    Our limiter is the given actor, or one that `builder` builds here.
    """

    contestant: Contestant
    place: Place
    builder: LimiterBuilder
    base_url: str
    requests: int
    slots: int
    start_at: float
    actor: Any = None
    number: int = 0
    """The number of this process."""


@dataclass
class ClientCounters:
    """What one client process saw; times are on the machine's monotonic clock."""

    began_at: float = 0.0
    ended_at: float = 0.0
    refused: int = 0
    sent_at: dict[str, float] = field(default_factory=dict)
    """When the first byte of each request was written, by its symbol: every request has another one."""
    call_seconds: list[float] = field(default_factory=list)
    """The seconds from then to the response headers, for each request."""
    waited_seconds: list[float] = field(default_factory=list)
    """The seconds of waiting for a permit, for each request."""
    slots: list[list[float]] = field(default_factory=list)
    """The times at which each slot got its permits."""
    lag_seconds: list[float] = field(default_factory=list)
    """How late the event loop was, sampled."""


class ClientProcess:
    """An actor that runs errands one after the other."""

    async def ready(self) -> bool:
        """Answers once the process is up and has imported what it will need."""
        import ccxt.async_support
        import limits.aio
        import pyrate_limiter
        import redis.asyncio
        import throttled.asyncio

        return all((ccxt, limits, pyrate_limiter, redis, throttled))

    async def run(self, errand: Errand) -> ClientCounters:
        """Send the requests, up to `slots` waiting or in flight; refused requests are not repeated."""
        counters = ClientCounters(slots=[[] for _ in range(errand.slots)])
        transport = HttpTransport("binance", errand.base_url, read_usage=used_weights)
        async with _permits(errand) as source:
            await asyncio.sleep(max(0.0, errand.start_at - time.monotonic()))
            watcher = asyncio.create_task(_watch_lag(counters))
            counters.began_at = time.monotonic()
            symbols = iter([f"C{errand.number}N{request}" for request in range(errand.requests)])
            await asyncio.gather(*(_slot(transport, source, counters, slot, symbols) for slot in counters.slots))
            counters.ended_at = time.monotonic()
            watcher.cancel()
        await transport.close()
        return counters


async def _slot(
    transport: HttpTransport, source: PermitSource, counters: ClientCounters, slot: list[float], symbols: Iterator[str]
) -> None:
    gateway, spans = BinanceGateway(), SpanSet([FUTURE_DAYS])
    for symbol in symbols:
        instrument = Instrument.of(gateway.dataset(symbol, Interval("1d")))
        (query,) = gateway.queries({instrument: Wanted(spans, spans)}, now_ms=FUTURE_DAYS.start_ms)
        wire = transport.wire(TimedPermits(source, counters, slot, symbol))
        try:
            async for _ in gateway.answers(query, wire):
                pass
        except BrokerThrottled:
            counters.refused += 1


async def _watch_lag(counters: ClientCounters) -> None:
    while True:
        asleep_at = time.monotonic()
        await asyncio.sleep(LAG_SAMPLE_SECONDS)
        counters.lag_seconds.append(time.monotonic() - asleep_at - LAG_SAMPLE_SECONDS)


@asynccontextmanager
async def _permits(errand: Errand) -> AsyncIterator[PermitSource]:
    if errand.contestant.opens is not None:
        async with errand.contestant.opens(errand.place) as take:
            yield BarePermits(take)
        return
    limiter = None if errand.actor else RateLimiter(**errand.builder())
    client = PermitClient(limiter or _remote(errand.actor), FLUSH_SECONDS, clock=boot_seconds)
    yield client
    await client.close()
    if limiter:
        await limiter.shutdown()


def _remote(actor: Any) -> Any:
    # Ray reads its environment when it is imported, so the driver must not import it before it is set.
    from actors.cluster.handles import RemoteRateLimiter

    return RemoteRateLimiter(actor)


class BarePermits:
    """Another library as a permit source: it learns neither of completions nor of refusals."""

    def __init__(self, take: Take) -> None:
        self._take = take

    @asynccontextmanager
    async def acquire(self, tokens: int = 1, pool: str = "") -> AsyncIterator[Permit]:
        await self._take()
        yield BarePermit(tokens)

    async def cool_down(self, retry_after_seconds: float | None, reason: str) -> None:
        return None


@dataclass
class BarePermit:
    """A permit without a completion."""

    tokens: int
    travel_seconds: float = 0.0

    def sent(self) -> None:
        return None

    def answered(self, usage: Sequence[BrokerUsage] = ()) -> None:
        return None


class TimedPermits:
    """Another source's permits for one request of a slot, with its wait and its call timed."""

    def __init__(self, source: PermitSource, counters: ClientCounters, slot: list[float], symbol: str) -> None:
        self._source, self._counters = source, counters
        self._slot, self._symbol = slot, symbol

    @asynccontextmanager
    async def acquire(self, tokens: int = 1, pool: str = "") -> AsyncIterator[Permit]:
        asked_at = time.monotonic()
        async with self._source.acquire(tokens, pool) as permit:
            granted_at = time.monotonic()
            self._counters.waited_seconds.append(granted_at - asked_at)
            self._slot.append(granted_at)
            yield _TimedPermit(permit, self._counters, self._symbol)

    async def cool_down(self, retry_after_seconds: float | None, reason: str) -> None:
        await self._source.cool_down(retry_after_seconds, reason)


class _TimedPermit:
    def __init__(self, permit: Permit, counters: ClientCounters, symbol: str) -> None:
        self._permit, self._counters, self._symbol = permit, counters, symbol

    @property
    def tokens(self) -> int:
        return self._permit.tokens

    @property
    def travel_seconds(self) -> float:
        return self._permit.travel_seconds

    def sent(self) -> None:
        self._permit.sent()
        self._counters.sent_at[self._symbol] = time.monotonic()

    def answered(self, usage: Sequence[BrokerUsage] = ()) -> None:
        self._permit.answered(usage)
        self._counters.call_seconds.append(time.monotonic() - self._counters.sent_at[self._symbol])
