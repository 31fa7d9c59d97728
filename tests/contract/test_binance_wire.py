"""Binance's gateway on the wire: what a permit stands for, and what each kind of trouble becomes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from aiohttp import web

from adapters.brokers.binance.gateway import DEFAULT_LIMITS, BinanceGateway
from adapters.in_memory import InMemoryPermit, InMemoryRateLimiter
from adapters.simulator import NO_LATENCY, Fault, FaultKind, Latency, SimulatedExchange
from domain.brokers.gateway import PageRequest
from domain.candles.dataset import Interval
from domain.errors import (
    BrokerError,
    BrokerThrottled,
    BrokerUnavailable,
    CredentialsRefused,
    MalformedResponse,
    PermitExpired,
    SettingsError,
    SymbolRejected,
    TransientBrokerError,
)
from domain.limits.rates import RateLimit
from domain.spans.time_span import TimeSpan

DAY_MS = 86_400_000
LOOSE = ["100000/1s"]


def page_of(gateway: BinanceGateway, symbol: str = "SIM001", days: int = 5, interval: str = "1d") -> PageRequest:
    dataset = gateway.dataset(symbol, Interval(interval))
    return PageRequest(dataset, dataset.align(TimeSpan(19_000 * DAY_MS, (19_000 + days) * DAY_MS)))


@asynccontextmanager
async def exchange_with(
    *faults: Fault, timeout_seconds: float = 5.0, latency: Latency = NO_LATENCY
) -> AsyncIterator[tuple[SimulatedExchange, BinanceGateway, InMemoryRateLimiter]]:
    async with SimulatedExchange(LOOSE, latency, faults) as exchange:
        gateway = BinanceGateway(exchange.base_url, timeout_seconds)
        try:
            yield exchange, gateway, InMemoryRateLimiter()
        finally:
            await gateway.close()


@asynccontextmanager
async def server_answering(answer: web.Response) -> AsyncIterator[BinanceGateway]:
    async def handle(_request: web.Request) -> web.Response:
        return answer

    app = web.Application()
    app.router.add_get("/api/v3/klines", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    gateway = BinanceGateway(f"http://127.0.0.1:{runner.addresses[0][1]}/")
    try:
        yield gateway
    finally:
        await gateway.close()
        await runner.cleanup()


async def test_every_arrival_had_a_permit_of_its_own_though_aiohttp_resends_silently() -> None:
    dropping = Fault(FaultKind.DROPPED_WHEN_KEPT_ALIVE, probability=0.2)
    latency = Latency(0.001, 0.001)
    async with exchange_with(dropping, latency=latency) as (exchange, gateway, permits):
        failed = 0

        async def fetch_many() -> None:
            nonlocal failed
            for _ in range(60):
                try:
                    await gateway.fetch_page(page_of(gateway), permits)
                except BrokerUnavailable:
                    failed += 1

        await asyncio.gather(*(fetch_many() for _ in range(4)))
        arrived = len(exchange.arrivals.arrivals)
        assert arrived == permits.granted
        assert arrived > 240
        assert permits.answered == 240 - failed
        assert permits.abandoned == arrived - permits.answered


async def test_no_arrival_lacks_a_permit_though_connections_close_behind_ones_back() -> None:
    async with exchange_with(Fault(FaultKind.CLOSED_AFTERWARDS, probability=0.5)) as (exchange, gateway, permits):
        for _ in range(100):
            await gateway.fetch_page(page_of(gateway), permits)
        assert permits.answered == 100
        assert 100 <= len(exchange.arrivals.arrivals) <= permits.granted - permits.unused


async def test_a_page_counts_the_requests_it_took_on_the_wire() -> None:
    async with exchange_with(Fault(FaultKind.DROPPED_WHEN_KEPT_ALIVE, times=1)) as (_, gateway, permits):
        pages = [await gateway.fetch_page(page_of(gateway), permits) for _ in range(2)]
        assert [page.requests for page in pages] == [1, 2]
        assert (permits.granted, permits.answered, permits.abandoned) == (3, 2, 1)


async def test_each_permit_asks_for_the_weight_that_binance_charges() -> None:
    async with exchange_with() as (exchange, gateway, permits):
        await gateway.fetch_page(page_of(gateway), permits)
        assert permits.tokens_granted == exchange.arrivals.used_weight == 2
    assert str(RateLimit.parse(DEFAULT_LIMITS[0])) == "6000w/60s"


class ExpiringPermits(InMemoryRateLimiter):
    """The first permits have expired by the time their request would be written."""

    def __init__(self, expired: int) -> None:
        super().__init__()
        self.expired = expired

    @asynccontextmanager
    async def acquire(self, tokens: int = 1, pool: str = "") -> AsyncIterator[InMemoryPermit]:
        async with super().acquire(tokens, pool) as permit:
            if self.expired:
                self.expired -= 1
                permit.sent = self.refuse  # type: ignore[method-assign]
            yield permit

    def refuse(self) -> None:
        raise PermitExpired(0.5)


async def test_an_expired_permit_writes_nothing_and_another_one_is_taken() -> None:
    async with exchange_with() as (exchange, gateway, _):
        permits = ExpiringPermits(2)
        page = await gateway.fetch_page(page_of(gateway), permits)
        assert (permits.granted, permits.unused, permits.answered) == (3, 2, 1)
        assert len(exchange.arrivals.arrivals) == page.requests == 1


async def test_permits_that_always_expire_while_connecting_end_as_unavailable() -> None:
    async with exchange_with() as (exchange, gateway, _):
        permits = ExpiringPermits(100)
        with pytest.raises(BrokerUnavailable, match="outlasts every permit"):
            await gateway.fetch_page(page_of(gateway), permits)
        assert permits.unused == permits.granted == 3
        assert exchange.arrivals.arrivals == []


@pytest.mark.parametrize(("kind", "answered"), [(FaultKind.HUNG, 0), (FaultKind.HUNG_BODY, 1)])
async def test_what_hangs_is_given_up_after_the_timeout(kind: FaultKind, answered: int) -> None:
    async with exchange_with(Fault(kind), timeout_seconds=0.2) as (_, gateway, permits):
        with pytest.raises(BrokerUnavailable, match=r"within 0\.2 s"):
            await gateway.fetch_page(page_of(gateway), permits)
        assert (permits.answered, permits.abandoned) == (answered, 1 - answered)


async def test_waiting_for_a_permit_does_not_use_up_the_timeout() -> None:
    async with exchange_with(timeout_seconds=0.2) as (_, gateway, permits):
        permits.gate.clear()
        fetching = asyncio.create_task(gateway.fetch_page(page_of(gateway), permits))
        await asyncio.sleep(0.4)
        permits.gate.set()
        assert len((await fetching).candles) == 5


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        (FaultKind.SERVER_ERROR, BrokerUnavailable, "HTTP 503"),
        (FaultKind.LOST, BrokerUnavailable, "Disconnected"),
        (FaultKind.DROPPED, BrokerUnavailable, "Disconnected"),
        (FaultKind.CUT_BODY, BrokerUnavailable, "Payload"),
        (FaultKind.TRUNCATED_JSON, MalformedResponse, "not JSON"),
        (FaultKind.OTHER_SHAPE, MalformedResponse, "a list of klines was promised"),
        (FaultKind.REDIRECTED, MalformedResponse, "redirects to /elsewhere"),
        (FaultKind.THROTTLED, BrokerThrottled, "HTTP 429"),
        (FaultKind.BANNED, BrokerThrottled, "HTTP 418"),
        (FaultKind.REFUSED, CredentialsRefused, "HTTP 403"),
        (FaultKind.UNKNOWN_SYMBOL, SymbolRejected, "code -1121: Invalid symbol"),
    ],
)
async def test_each_kind_of_trouble_has_its_error(kind: FaultKind, error: type[BrokerError], message: str) -> None:
    async with exchange_with(Fault(kind)) as (_, gateway, permits):
        with pytest.raises(error, match=message) as caught:
            await gateway.fetch_page(page_of(gateway), permits)
        assert (caught.value.broker, caught.value.symbol) == ("binance", "SIM001")
        assert len(permits.cooldowns) == isinstance(caught.value, BrokerThrottled)


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (web.Response(text="<html>"), MalformedResponse, "not JSON"),
        (web.Response(text="[NaN]"), MalformedResponse, "NaN is not a JSON number"),
        (web.Response(text="[" * 100_000), MalformedResponse, "not JSON"),
        (web.json_response([[1, 2, 3]]), MalformedResponse, "row 0 is not 12 values"),
        (web.json_response({"error": "?"}, status=404), MalformedResponse, "not an error of Binance"),
        (web.json_response({"code": -1120, "msg": "Invalid interval."}, status=400), SymbolRejected, "-1120"),
        (web.json_response({"code": -1001, "msg": "Disconnected."}, status=400), BrokerUnavailable, "-1001"),
        (web.Response(status=401), CredentialsRefused, "HTTP 401"),
    ],
)
async def test_an_answer_that_is_not_klines_is_told_apart(
    answer: web.Response, error: type[BrokerError], message: str
) -> None:
    async with server_answering(answer) as gateway:
        with pytest.raises(error, match=message):
            await gateway.fetch_page(page_of(gateway), InMemoryRateLimiter())


async def test_a_throttle_without_a_time_lets_the_limiter_choose() -> None:
    async with server_answering(web.Response(status=429)) as gateway:
        permits = InMemoryRateLimiter()
        with pytest.raises(BrokerThrottled) as caught:
            await gateway.fetch_page(page_of(gateway), permits)
        assert permits.cooldowns == [(None, "binance: HTTP 429: too many requests")]
        assert caught.value.retry_after_seconds == 0.0


async def test_nobody_there_is_unavailable_and_costs_no_token() -> None:
    gateway, permits = BinanceGateway("http://127.0.0.1:9"), InMemoryRateLimiter()
    with pytest.raises(TransientBrokerError):
        await gateway.fetch_page(page_of(gateway), permits)
    await gateway.close()
    assert (permits.granted, permits.unused) == (1, 1)


async def test_a_base_url_that_is_none_is_the_users_input() -> None:
    gateway = BinanceGateway("not a url")
    with pytest.raises(SettingsError, match="base URL"):
        await gateway.fetch_page(page_of(gateway), InMemoryRateLimiter())
    await gateway.close()


async def test_what_closed_while_the_answer_was_on_its_way_is_not_yet_final() -> None:
    clock = iter(range(20_000 * 86_400, 10**12, 60))
    answering_at = 20_000 * 86_400 + 60
    async with SimulatedExchange(LOOSE, Latency(0.0, 0.2, 0.0), clock=lambda: next(clock)) as exchange:
        gateway = BinanceGateway(exchange.base_url)
        page = await gateway.fetch_page(page_of(gateway), InMemoryRateLimiter())
        await gateway.close()
    assert page.closed_before_ms <= answering_at * 1000 - 200


@pytest.mark.parametrize(("interval", "opening"), [("1w", 345_600_000), ("3d", 0), ("1s", 0)])
async def test_openings_lie_on_the_grid_that_the_dataset_names(interval: str, opening: int) -> None:
    async with exchange_with() as (_, gateway, permits):
        dataset = gateway.dataset("SIM001", Interval(interval))
        assert dataset.grid.key == opening
        start_ms = dataset.ceil_ms(1_500_000_000_123)
        span = TimeSpan(start_ms, start_ms + 3 * dataset.interval.duration_ms)
        page = await gateway.fetch_page(PageRequest(dataset, span), permits)
        assert page.candles.open_time_ms.tolist() == list(range(span.start_ms, span.end_ms, span.duration_ms // 3))


def test_an_interval_that_binance_lacks_is_refused_with_those_it_has() -> None:
    with pytest.raises(SettingsError, match=r'no interval "7m": choose one of 1s, 1m'):
        BinanceGateway().dataset("BTCUSDT", Interval("7m"))


@pytest.mark.parametrize("days", [0, 1001])
async def test_a_page_is_never_empty_and_never_longer_than_binance_serves(days: int) -> None:
    gateway = BinanceGateway()
    with pytest.raises(ValueError, match="1 to 1000 bars"):
        await gateway.fetch_page(page_of(gateway, days=days), InMemoryRateLimiter())


async def test_a_bar_that_opens_at_the_end_of_the_span_is_not_asked_for() -> None:
    friday, monday = (int(datetime(2000, 3, day, tzinfo=UTC).timestamp() * 1000) for day in (3, 6))
    async with exchange_with() as (_, gateway, permits):
        dataset = gateway.dataset("AAPL", Interval("1d"))
        page = await gateway.fetch_page(PageRequest(dataset, TimeSpan(friday, monday)), permits)
        assert page.candles.open_time_ms.tolist() == [friday]


async def test_a_full_page_of_a_thousand_comes_in_one_request() -> None:
    async with exchange_with() as (_, gateway, permits):
        page = await gateway.fetch_page(page_of(gateway, days=1000), permits)
        assert (len(page.candles), page.requests) == (1000, 1)


async def test_an_answer_that_comes_too_late_is_never_taken_for_that_of_the_next_symbol() -> None:
    ways_back_seconds, has_answered_late = [0.3], asyncio.Event()

    class FirstAnswerIsLate(Latency):
        def downlink_seconds(self, _source: random.Random) -> float:
            if not ways_back_seconds:
                return 0.0
            asyncio.get_running_loop().call_later(ways_back_seconds[0] + 0.05, has_answered_late.set)
            return ways_back_seconds.pop()

    async with exchange_with(timeout_seconds=0.2, latency=FirstAnswerIsLate(0.0, 0.0)) as (exchange, gateway, limiter):
        permits = limiter.bound_to("job")
        with pytest.raises(BrokerUnavailable):
            await gateway.fetch_page(page_of(gateway, "SIM001"), permits)
        others = [await gateway.fetch_page(page_of(gateway, "SIM002"), permits) for _ in range(2)]
        await has_answered_late.wait()
        others.append(await gateway.fetch_page(page_of(gateway, "SIM002"), permits))
        answered = [(arrival.symbol, arrival.status) for arrival in exchange.arrivals.arrivals]
    async with exchange_with() as (_, fresh, fresh_limiter):
        truth = await fresh.fetch_page(page_of(fresh, "SIM002"), fresh_limiter.bound_to("job"))
    assert answered == [("SIM001", 200), *[("SIM002", 200)] * 3]
    assert [other.candles.close.tolist() for other in others] == [truth.candles.close.tolist()] * 3
