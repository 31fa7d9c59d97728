"""What every broker gateway promises: the shipped fake, and Binance's against the simulated exchange."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np
import pytest

from adapters.brokers.binance.gateway import BinanceGateway
from adapters.in_memory import InMemoryExchange, InMemoryGateway, InMemoryRateLimiter
from adapters.simulator import NO_LATENCY, Fault, FaultKind, SimulatedExchange
from domain.brokers.answers import Answer
from domain.brokers.gateway import Gateway
from domain.brokers.wire import Transport
from domain.candles.candles import Candles, RawCandles
from domain.candles.dataset import Interval
from domain.errors import BrokerThrottled, BrokerUnavailable, SymbolRejected
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan
from tests.contract.gateway_queries import connected, query

DAY_MS = 86_400_000
FIRST_DAY_MS = 19_000 * DAY_MS
DAILY = Interval("1d")


def span_of(first_day: int = 0, days: int = 10) -> TimeSpan:
    start_ms = FIRST_DAY_MS + first_day * DAY_MS
    return TimeSpan(start_ms, start_ms + days * DAY_MS)


@dataclass
class Subject:
    """A gateway to a market with 40 days of GOOD, and of symbols that fail as their names say."""

    gateway: Gateway
    transport: Transport
    permits: InMemoryRateLimiter
    now_ms: int
    is_hanging: Callable[[], bool]

    async def answer(self, symbol: str = "GOOD", first_day: int = 0, days: int = 10) -> Answer:
        dataset = self.gateway.dataset(symbol, DAILY)
        (answer,) = await query(self.gateway, self.transport.wire(self.permits), dataset, span_of(first_day, days))
        return answer

    async def rows(self, symbol: str = "GOOD", first_day: int = 0, days: int = 10) -> RawCandles:
        (part,) = (await self.answer(symbol, first_day, days)).parts
        return part.rows


def days_of_candles(count: int) -> Candles:
    times = FIRST_DAY_MS + DAY_MS * np.arange(count, dtype=np.int64)
    price = np.linspace(10, 20, count)
    return Candles(times, price, price + 1, price - 1, price, np.ones(count))


@asynccontextmanager
async def in_memory() -> AsyncIterator[Subject]:
    throttled = BrokerThrottled("memory", "THROTTLED", "429", 1.0)
    down = BrokerUnavailable("memory", "DOWN", "503")
    now_ms = FIRST_DAY_MS + 40 * DAY_MS
    exchange = InMemoryExchange(
        dict.fromkeys(["GOOD", "THROTTLED", "DOWN", "HUNG"], days_of_candles(40)),
        closed_before_ms=now_ms,
        mishaps={"THROTTLED": [throttled], "DOWN": [down], "HUNG": [asyncio.Event()]},
    )
    yield Subject(InMemoryGateway(), exchange, InMemoryRateLimiter(), now_ms, lambda: exchange.in_flight == 1)


@asynccontextmanager
async def binance() -> AsyncIterator[Subject]:
    now_ms = FIRST_DAY_MS + 39 * DAY_MS + DAY_MS // 2
    faults = [
        Fault(FaultKind.THROTTLED, "THROTTLED", times=1),
        Fault(FaultKind.SERVER_ERROR, "DOWN", times=1),
        Fault(FaultKind.HUNG, "HUNG"),
    ]
    async with (
        SimulatedExchange(
            ["10000/1s"], NO_LATENCY, faults, unknown_symbols=["UNKNOWN"], clock=lambda: now_ms / 1000
        ) as exchange,
        connected(exchange.base_url) as transport,
    ):
        arrivals = exchange.arrivals.arrivals
        yield Subject(BinanceGateway(), transport, InMemoryRateLimiter(), now_ms, lambda: len(arrivals) == 1)


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for has no event to tell
        await asyncio.sleep(0.001)


@pytest.fixture(params=[in_memory, binance], ids=["in_memory", "binance"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    async with request.param() as made:
        yield made


async def test_an_answer_holds_the_candles_that_open_in_its_span(subject: Subject) -> None:
    answer = await subject.answer(first_day=3, days=4)
    (part,) = answer.parts
    assert part.answered == SpanSet([span_of(first_day=3, days=4)])
    assert part.rows.open_time_ms.tolist() == [FIRST_DAY_MS + day * DAY_MS for day in (3, 4, 5, 6)]


async def test_answers_that_follow_each_other_are_the_whole(subject: Subject) -> None:
    whole = await subject.rows(days=21)
    parts = [await subject.rows(first_day=day, days=7) for day in (0, 7, 14)]
    for name, column in whole.columns().items():
        assert np.array_equal(column, np.concatenate([part.columns()[name] for part in parts])), name


async def test_each_request_takes_one_permit_and_says_when_it_is_answered(subject: Subject) -> None:
    await subject.answer()
    assert subject.permits.granted == subject.permits.answered == 1


async def test_no_request_leaves_while_there_is_no_permit(subject: Subject) -> None:
    subject.permits.gate.clear()
    asking = asyncio.create_task(subject.rows())
    await until(lambda: subject.permits.waiting)
    assert subject.permits.granted == 0
    subject.permits.gate.set()
    assert len(await asking) == 10


async def test_bars_that_had_closed_are_known_as_closed(subject: Subject) -> None:
    answer = await subject.answer(first_day=30, days=10)
    assert subject.now_ms - 60_000 <= answer.closed_before_ms <= subject.now_ms
    assert FIRST_DAY_MS + 38 * DAY_MS in answer.parts[0].rows.open_time_ms


async def test_a_span_without_candles_is_an_empty_answer(subject: Subject) -> None:
    assert len(await subject.rows(first_day=50)) == 0


async def test_an_unknown_symbol_is_rejected_by_name(subject: Subject) -> None:
    with pytest.raises(SymbolRejected) as caught:
        await subject.answer("UNKNOWN")
    assert (caught.value.broker, caught.value.symbol) == (subject.gateway.spec.name, "UNKNOWN")
    assert subject.permits.answered == 1


async def test_being_throttled_cools_the_account_down_before_anyone_hears_of_it(subject: Subject) -> None:
    with pytest.raises(BrokerThrottled) as caught:
        await subject.answer("THROTTLED")
    assert caught.value.retry_after_seconds == 1.0
    assert [seconds for seconds, _ in subject.permits.cooldowns] == [1.0]


async def test_nothing_is_retried_inside_a_gateway(subject: Subject) -> None:
    with pytest.raises(BrokerUnavailable):
        await subject.answer("DOWN")
    assert subject.permits.granted == 1
    assert len(await subject.rows("DOWN")) == 10


async def test_a_request_that_is_cancelled_in_flight_leaves_its_permit_abandoned(subject: Subject) -> None:
    asking = asyncio.create_task(subject.answer("HUNG"))
    await until(subject.is_hanging)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert (subject.permits.abandoned, subject.permits.answered, subject.permits.unused) == (1, 0, 0)


async def test_closed_connections_open_again_when_there_is_something_to_ask(subject: Subject) -> None:
    await subject.transport.close()
    await subject.answer()
    await subject.transport.close()
    await subject.transport.close()
    assert len(await subject.rows()) == 10
