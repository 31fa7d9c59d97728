"""Binance's gateway on the wire: what a permit stands for, and what each kind of trouble becomes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from aiohttp import web

from adapters.brokers.binance.gateway import SPEC, BinanceGateway
from adapters.brokers.http.transport import HttpTransport
from adapters.in_memory import InMemoryPermit, InMemoryRateLimiter
from adapters.simulator import NO_LATENCY, Fault, FaultKind, Latency, SimulatedExchange
from domain.brokers.answers import Answer
from domain.candles.candles import RawCandles
from domain.candles.dataset import Interval
from domain.candles.validation import validate
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
from domain.limits.ports import PermitSource
from domain.spans.time_span import TimeSpan, to_milliseconds
from tests.contract.gateway_queries import connected, query, rows_of

DAY_MS = 86_400_000
LOOSE = ["100000/1s"]


GATEWAY = BinanceGateway()


async def answer_of(
    transport: HttpTransport, permits: PermitSource, symbol: str = "SIM001", days: int = 5, interval: str = "1d"
) -> Answer:
    """The one answer about some days of a symbol."""
    dataset = GATEWAY.dataset(symbol, Interval(interval))
    span = dataset.align(TimeSpan(19_000 * DAY_MS, (19_000 + days) * DAY_MS))
    (answer,) = await query(GATEWAY, transport.wire(permits), dataset, span)
    return answer


async def rows(transport: HttpTransport, permits: PermitSource, symbol: str = "SIM001", days: int = 5) -> RawCandles:
    (part,) = (await answer_of(transport, permits, symbol, days)).parts
    return part.rows


@asynccontextmanager
async def exchange_with(
    *faults: Fault, timeout_seconds: float = 5.0, latency: Latency = NO_LATENCY
) -> AsyncIterator[tuple[SimulatedExchange, HttpTransport, InMemoryRateLimiter]]:
    async with (
        SimulatedExchange(LOOSE, latency, faults) as exchange,
        connected(exchange.base_url, timeout_seconds) as transport,
    ):
        yield exchange, transport, InMemoryRateLimiter()


@asynccontextmanager
async def server_answering(answer: web.Response) -> AsyncIterator[HttpTransport]:
    async def handle(_request: web.Request) -> web.Response:
        return answer

    app = web.Application()
    app.router.add_get("/api/v3/klines", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with connected(f"http://127.0.0.1:{runner.addresses[0][1]}/") as transport:
            yield transport
    finally:
        await runner.cleanup()


async def test_every_arrival_had_a_permit_of_its_own_though_aiohttp_resends_silently() -> None:
    dropping = Fault(FaultKind.DROPPED_WHEN_KEPT_ALIVE, probability=0.2)
    latency = Latency(0.001, 0.001)
    async with exchange_with(dropping, latency=latency) as (exchange, transport, permits):
        failed = 0

        async def fetch_many() -> None:
            nonlocal failed
            for _ in range(60):
                try:
                    await answer_of(transport, permits)
                except BrokerUnavailable:
                    failed += 1

        await asyncio.gather(*(fetch_many() for _ in range(4)))
        arrived = len(exchange.arrivals.arrivals)
        assert arrived == permits.granted
        assert arrived > 240
        assert permits.answered == 240 - failed
        assert permits.abandoned == arrived - permits.answered


async def test_no_arrival_lacks_a_permit_though_connections_close_behind_ones_back() -> None:
    async with exchange_with(Fault(FaultKind.CLOSED_AFTERWARDS, probability=0.5)) as (exchange, transport, permits):
        for _ in range(100):
            await answer_of(transport, permits)
        assert permits.answered == 100
        assert 100 <= len(exchange.arrivals.arrivals) <= permits.granted - permits.unused


async def test_a_request_that_aiohttp_sends_again_takes_a_second_permit() -> None:
    async with exchange_with(Fault(FaultKind.DROPPED_WHEN_KEPT_ALIVE, times=1)) as (_, transport, permits):
        for _ in range(2):
            await answer_of(transport, permits)
        assert (permits.granted, permits.answered, permits.abandoned) == (3, 2, 1)


async def test_each_permit_asks_for_the_weight_that_binance_charges() -> None:
    async with exchange_with() as (exchange, transport, permits):
        await answer_of(transport, permits)
        assert permits.tokens_granted == exchange.arrivals.used_weight == 2
    assert [str(limit) for limit in SPEC.limits] == ["6000w/60s"]


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
    async with exchange_with() as (exchange, transport, _):
        permits = ExpiringPermits(2)
        await answer_of(transport, permits)
        assert (permits.granted, permits.unused, permits.answered) == (3, 2, 1)
        assert len(exchange.arrivals.arrivals) == 1


async def test_permits_that_always_expire_while_connecting_end_as_unavailable() -> None:
    async with exchange_with() as (exchange, transport, _):
        permits = ExpiringPermits(100)
        with pytest.raises(BrokerUnavailable, match="outlasts every permit"):
            await answer_of(transport, permits)
        assert permits.unused == permits.granted == 3
        assert exchange.arrivals.arrivals == []


@pytest.mark.parametrize(("kind", "answered"), [(FaultKind.HUNG, 0), (FaultKind.HUNG_BODY, 1)])
async def test_what_hangs_is_given_up_after_the_timeout(kind: FaultKind, answered: int) -> None:
    async with exchange_with(Fault(kind), timeout_seconds=0.2) as (_, transport, permits):
        with pytest.raises(BrokerUnavailable, match=r"within 0\.2 s"):
            await answer_of(transport, permits)
        assert (permits.answered, permits.abandoned) == (answered, 1 - answered)


async def test_waiting_for_a_permit_does_not_use_up_the_timeout() -> None:
    async with exchange_with(timeout_seconds=0.2) as (_, transport, permits):
        permits.gate.clear()
        fetching = asyncio.create_task(rows(transport, permits))
        await asyncio.sleep(0.4)
        permits.gate.set()
        assert len(await fetching) == 5


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
    async with exchange_with(Fault(kind)) as (_, transport, permits):
        with pytest.raises(error, match=message) as caught:
            await answer_of(transport, permits)
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
    async with server_answering(answer) as transport:
        with pytest.raises(error, match=message):
            await answer_of(transport, InMemoryRateLimiter())


async def test_a_throttle_without_a_time_lets_the_limiter_choose() -> None:
    async with server_answering(web.Response(status=429)) as transport:
        permits = InMemoryRateLimiter()
        with pytest.raises(BrokerThrottled) as caught:
            await answer_of(transport, permits)
        assert permits.cooldowns == [(None, "binance: HTTP 429: too many requests")]
        assert caught.value.retry_after_seconds == 0.0


async def test_nobody_there_is_unavailable_and_costs_no_token() -> None:
    permits = InMemoryRateLimiter()
    async with connected("http://127.0.0.1:9") as transport:
        with pytest.raises(TransientBrokerError):
            await answer_of(transport, permits)
    assert (permits.granted, permits.unused) == (1, 1)


async def test_a_base_url_that_is_none_is_the_users_input() -> None:
    async with connected("not a url") as transport:
        with pytest.raises(SettingsError, match="base URL"):
            await answer_of(transport, InMemoryRateLimiter())


async def test_what_closed_while_the_answer_was_on_its_way_is_not_yet_final() -> None:
    clock = iter(range(20_000 * 86_400, 10**12, 60))
    answering_at = 20_000 * 86_400 + 60
    async with (
        SimulatedExchange(LOOSE, Latency(0.0, 0.2, 0.0), clock=lambda: next(clock)) as exchange,
        connected(exchange.base_url) as transport,
    ):
        answer = await answer_of(transport, InMemoryRateLimiter())
    assert answer.closed_before_ms <= answering_at * 1000 - 200


@pytest.mark.parametrize(("interval", "opening"), [("1w", 345_600_000), ("3d", 0), ("1s", 0)])
async def test_openings_lie_on_the_grid_that_the_dataset_names(interval: str, opening: int) -> None:
    async with exchange_with() as (_, transport, permits):
        dataset = GATEWAY.dataset("SIM001", Interval(interval))
        assert dataset.grid.key == opening
        start_ms = dataset.ceil_ms(1_500_000_000_123)
        span = TimeSpan(start_ms, start_ms + 3 * dataset.interval.duration_ms)
        candles = await rows_of(GATEWAY, transport.wire(permits), dataset, span)
        assert candles.open_time_ms.tolist() == list(range(span.start_ms, span.end_ms, span.duration_ms // 3))


def test_an_interval_that_binance_lacks_is_refused_with_those_it_has() -> None:
    with pytest.raises(SettingsError, match=r'no interval "7m": choose one of 1s, 1m'):
        GATEWAY.dataset("BTCUSDT", Interval("7m"))


@pytest.mark.parametrize(("days", "requests"), [(0, 0), (1, 1), (1000, 1), (1001, 2)])
async def test_no_more_is_asked_than_binance_serves_and_nothing_of_nothing(days: int, requests: int) -> None:
    async with exchange_with() as (exchange, transport, permits):
        dataset = GATEWAY.dataset("SIM001", Interval("1d"))
        span = TimeSpan(19_000 * DAY_MS, (19_000 + days) * DAY_MS)
        candles = await rows_of(GATEWAY, transport.wire(permits), dataset, span)
        assert (len(candles), len(exchange.arrivals.arrivals)) == (days, requests)


async def test_a_bar_that_opens_at_the_end_of_the_span_is_not_asked_for() -> None:
    friday, monday = (int(datetime(2000, 3, day, tzinfo=UTC).timestamp() * 1000) for day in (3, 6))
    async with exchange_with() as (_, transport, permits):
        dataset = GATEWAY.dataset("AAPL", Interval("1d"))
        candles = await rows_of(GATEWAY, transport.wire(permits), dataset, TimeSpan(friday, monday))
        assert candles.open_time_ms.tolist() == [friday]


async def test_an_answer_that_comes_too_late_is_never_taken_for_that_of_the_next_symbol() -> None:
    ways_back_seconds, has_answered_late = [0.3], asyncio.Event()

    class FirstAnswerIsLate(Latency):
        def downlink_seconds(self, _source: random.Random) -> float:
            if not ways_back_seconds:
                return 0.0
            asyncio.get_running_loop().call_later(ways_back_seconds[0] + 0.05, has_answered_late.set)
            return ways_back_seconds.pop()

    async with exchange_with(timeout_seconds=0.2, latency=FirstAnswerIsLate(0.0, 0.0)) as (
        exchange,
        transport,
        limiter,
    ):
        permits = limiter.bound_to("job")
        with pytest.raises(BrokerUnavailable):
            await answer_of(transport, permits, "SIM001")
        others = [await rows(transport, permits, "SIM002") for _ in range(2)]
        await has_answered_late.wait()
        others.append(await rows(transport, permits, "SIM002"))
        answered = [(arrival.symbol, arrival.status) for arrival in exchange.arrivals.arrivals]
    async with exchange_with() as (_, fresh, fresh_limiter):
        truth = await rows(fresh, fresh_limiter.bound_to("job"), "SIM002")
    assert answered == [("SIM001", 200), *[("SIM002", 200)] * 3]
    assert [other.close.tolist() for other in others] == [truth.close.tolist()] * 3


async def test_calendar_months_come_each_as_long_as_it_is_and_the_next_is_not_closed_yet() -> None:
    first_of = [datetime(2023 + month // 12, month % 12 + 1, 1, tzinfo=UTC) for month in range(10, 17)]
    now = datetime(2024, 4, 10, tzinfo=UTC)
    dataset, year = GATEWAY.dataset("SIM001", Interval("1M")), TimeSpan.between(first_of[0], first_of[-1])
    async with (
        SimulatedExchange(LOOSE, NO_LATENCY, clock=now.timestamp) as exchange,
        connected(exchange.base_url) as transport,
    ):
        (answer,) = await query(GATEWAY, transport.wire(InMemoryRateLimiter()), dataset, year)
    (part,) = answer.parts
    judged = validate(part.rows, dataset, year, answer.closed_before_ms)
    assert judged.candles.open_time_ms.tolist() == [to_milliseconds(first) for first in first_of[:5]]
    assert (judged.forming, judged.quarantined) == (1, ())
