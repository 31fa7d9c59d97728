"""What every broker gateway promises: the shipped fake, and Binance's against the simulated exchange."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np
import pytest

from adapters.brokers.binance.gateway import BinanceGateway
from adapters.in_memory import InMemoryGateway, InMemoryRateLimiter
from adapters.simulator import NO_LATENCY, Fault, FaultKind, SimulatedExchange
from domain.brokers.gateway import BrokerGateway, PageRequest
from domain.candles.candles import Candles
from domain.candles.dataset import Interval
from domain.errors import BrokerThrottled, BrokerUnavailable, SymbolRejected
from domain.spans.time_span import TimeSpan

DAY_MS = 86_400_000
FIRST_DAY_MS = 19_000 * DAY_MS
DAILY = Interval("1d")


@dataclass
class Subject:
    """A gateway to a market with 40 days of GOOD, and of symbols that fail as their names say."""

    gateway: BrokerGateway
    permits: InMemoryRateLimiter
    now_ms: int
    is_hanging: Callable[[], bool]

    def page(self, symbol: str = "GOOD", first_day: int = 0, days: int = 10) -> PageRequest:
        start_ms = FIRST_DAY_MS + first_day * DAY_MS
        return PageRequest(self.gateway.dataset(symbol, DAILY), TimeSpan(start_ms, start_ms + days * DAY_MS))


def days_of_candles(count: int) -> Candles:
    times = FIRST_DAY_MS + DAY_MS * np.arange(count, dtype=np.int64)
    price = np.linspace(10, 20, count)
    return Candles(times, price, price + 1, price - 1, price, np.ones(count))


@asynccontextmanager
async def in_memory() -> AsyncIterator[Subject]:
    throttled = BrokerThrottled("memory", "THROTTLED", "429", 1.0)
    down = BrokerUnavailable("memory", "DOWN", "503")
    candles = days_of_candles(40)
    gateway = InMemoryGateway(
        dict.fromkeys(["GOOD", "THROTTLED", "DOWN", "HUNG"], candles),
        closed_before_ms=FIRST_DAY_MS + 40 * DAY_MS,
        mishaps={"THROTTLED": [throttled], "DOWN": [down], "HUNG": [asyncio.Event()]},
    )
    yield Subject(gateway, InMemoryRateLimiter(), FIRST_DAY_MS + 40 * DAY_MS, lambda: gateway.in_flight == 1)


@asynccontextmanager
async def binance() -> AsyncIterator[Subject]:
    now_ms = FIRST_DAY_MS + 39 * DAY_MS + DAY_MS // 2
    faults = [
        Fault(FaultKind.THROTTLED, "THROTTLED", times=1),
        Fault(FaultKind.SERVER_ERROR, "DOWN", times=1),
        Fault(FaultKind.HUNG, "HUNG"),
    ]
    async with SimulatedExchange(
        ["10000/1s"], NO_LATENCY, faults, unknown_symbols=["UNKNOWN"], clock=lambda: now_ms / 1000
    ) as exchange:
        gateway = BinanceGateway(exchange.base_url)
        try:
            yield Subject(gateway, InMemoryRateLimiter(), now_ms, lambda: len(exchange.arrivals.arrivals) == 1)
        finally:
            await gateway.close()


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for has no event to tell
        await asyncio.sleep(0.001)


@pytest.fixture(params=[in_memory, binance], ids=["in_memory", "binance"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    async with request.param() as made:
        yield made


async def test_a_page_holds_the_candles_that_open_in_its_span(subject: Subject) -> None:
    request = subject.page(first_day=3, days=4)
    page = await subject.gateway.fetch_page(request, subject.permits)
    assert page.request == request
    assert page.candles.open_time_ms.tolist() == [FIRST_DAY_MS + day * DAY_MS for day in (3, 4, 5, 6)]


async def test_pages_that_follow_each_other_are_the_whole(subject: Subject) -> None:
    whole = await subject.gateway.fetch_page(subject.page(days=21), subject.permits)
    parts = [await subject.gateway.fetch_page(subject.page(first_day=d, days=7), subject.permits) for d in (0, 7, 14)]
    for name, column in whole.candles.columns().items():
        assert np.array_equal(column, np.concatenate([part.candles.columns()[name] for part in parts])), name


async def test_each_request_takes_one_permit_and_says_when_it_is_answered(subject: Subject) -> None:
    page = await subject.gateway.fetch_page(subject.page(), subject.permits)
    assert page.requests == subject.permits.granted == subject.permits.answered == 1


async def test_no_request_leaves_while_there_is_no_permit(subject: Subject) -> None:
    subject.permits.gate.clear()
    fetching = asyncio.create_task(subject.gateway.fetch_page(subject.page(), subject.permits))
    await until(lambda: subject.permits.waiting)
    assert subject.permits.granted == 0
    subject.permits.gate.set()
    assert len((await fetching).candles) == 10


async def test_bars_that_had_closed_are_known_as_closed(subject: Subject) -> None:
    page = await subject.gateway.fetch_page(subject.page(first_day=30, days=10), subject.permits)
    assert subject.now_ms - 60_000 <= page.closed_before_ms <= subject.now_ms
    assert FIRST_DAY_MS + 38 * DAY_MS in page.candles.open_time_ms


async def test_a_span_without_candles_is_an_empty_page(subject: Subject) -> None:
    page = await subject.gateway.fetch_page(subject.page(first_day=50), subject.permits)
    assert len(page.candles) == 0


async def test_an_unknown_symbol_is_rejected_by_name(subject: Subject) -> None:
    with pytest.raises(SymbolRejected) as caught:
        await subject.gateway.fetch_page(subject.page("UNKNOWN"), subject.permits)
    assert (caught.value.broker, caught.value.symbol) == (subject.gateway.name, "UNKNOWN")
    assert subject.permits.answered == 1


async def test_being_throttled_seals_the_account_before_anyone_hears_of_it(subject: Subject) -> None:
    with pytest.raises(BrokerThrottled) as caught:
        await subject.gateway.fetch_page(subject.page("THROTTLED"), subject.permits)
    assert caught.value.retry_after_seconds == 1.0
    assert [seconds for seconds, _ in subject.permits.cooldowns] == [1.0]


async def test_nothing_is_retried_inside_a_gateway(subject: Subject) -> None:
    with pytest.raises(BrokerUnavailable):
        await subject.gateway.fetch_page(subject.page("DOWN"), subject.permits)
    assert subject.permits.granted == 1
    assert len((await subject.gateway.fetch_page(subject.page("DOWN"), subject.permits)).candles) == 10


async def test_a_request_that_is_cancelled_in_flight_is_left_as_a_stray(subject: Subject) -> None:
    fetching = asyncio.create_task(subject.gateway.fetch_page(subject.page("HUNG"), subject.permits))
    await until(subject.is_hanging)
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    assert (subject.permits.abandoned, subject.permits.answered, subject.permits.unused) == (1, 0, 0)


async def test_a_closed_gateway_opens_again_when_asked(subject: Subject) -> None:
    await subject.gateway.close()
    await subject.gateway.fetch_page(subject.page(), subject.permits)
    await subject.gateway.close()
    await subject.gateway.close()
    assert len((await subject.gateway.fetch_page(subject.page(), subject.permits)).candles) == 10
