"""What the conformance suite is run over: every manner of broker, and the truth about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

import numpy as np

from adapters.brokers.binance.gateway import BinanceGateway
from adapters.in_memory import InMemoryExchange, InMemoryGateway
from adapters.in_memory.manners import (
    ArchiveExchange,
    ArchiveGateway,
    CursorExchange,
    CursorGateway,
    DayCapExchange,
    DayCapGateway,
    NewestExchange,
    NewestGateway,
    ZonedDaysExchange,
    ZonedDaysGateway,
)
from adapters.in_memory.manners.exchange import NEVER
from adapters.simulator import NO_LATENCY, Fault, FaultKind, SimulatedExchange
from candle_collector.testing import GatewayUnderTest
from domain.candles.candles import Candles
from domain.candles.dataset import Interval
from domain.errors import (
    BrokerThrottled,
    BrokerUnavailable,
    CredentialsRefused,
    MalformedResponse,
    SymbolRejected,
)
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan, to_milliseconds
from tests.contract.gateway_queries import connected
from tests.contract.market_truths import (
    DAY_MS,
    SPAN,
    days_without_bars,
    hourly_market,
    market,
    new_york_midnights,
    recorded_days,
    weekends,
)

SYMBOLS = ("A", "B", "C", "D")
HOURLY, DAILY = Interval("1h"), Interval("1d")
STATUSES = {"THROTTLED": 429, "DOWN": 503, "FORBIDDEN": 403, "ODD": 400, "HUNG": NEVER}
TROUBLES = {
    "THROTTLED": BrokerThrottled,
    "DOWN": BrokerUnavailable,
    "FORBIDDEN": CredentialsRefused,
    "ODD": MalformedResponse,
    "UNKNOWN": SymbolRejected,
}
NEWEST = 720
MOST_ROWS = 100


def subject_of(gateway: Any, exchange: Any, truth: dict[str, Candles], closures: SpanSet, **more: Any) -> Any:
    """A gateway to one of the exchanges of the shipped manners."""
    interval = more.pop("interval", HOURLY)
    return GatewayUnderTest(
        gateway,
        exchange,
        truth,
        interval,
        exchange.now_ms,
        lambda: exchange.requests,
        closures,
        troubles=TROUBLES,
        hanging="HUNG",
        **more,
    )


@asynccontextmanager
async def plain() -> AsyncIterator[GatewayUnderTest]:
    closed = weekends(SPAN)
    truth = hourly_market(closed, *SYMBOLS)
    mishaps = {
        "THROTTLED": [BrokerThrottled("memory", "THROTTLED", "429", 1.0)],
        "DOWN": [BrokerUnavailable("memory", "DOWN", "503")],
        "HUNG": [asyncio.Event()],
    }
    exchange = InMemoryExchange(truth, closed_before_ms=SPAN.end_ms, mishaps=mishaps)
    yield GatewayUnderTest(
        InMemoryGateway(most_rows=MOST_ROWS),
        exchange,
        truth,
        HOURLY,
        SPAN.end_ms,
        lambda: len(exchange.asked),
        closed,
        troubles={symbol: TROUBLES[symbol] for symbol in ("THROTTLED", "DOWN", "UNKNOWN")},
        hanging="HUNG",
    )


@asynccontextmanager
async def cursor(gateway: type[CursorGateway] = CursorGateway) -> AsyncIterator[GatewayUnderTest]:
    closed = weekends(SPAN)
    truth = hourly_market(closed, *SYMBOLS)
    exchange = CursorExchange(truth, SPAN.end_ms, STATUSES, MOST_ROWS)
    yield subject_of(gateway(MOST_ROWS), exchange, truth, closed)


@asynccontextmanager
async def day_caps(gateway: type[DayCapGateway] = DayCapGateway) -> AsyncIterator[GatewayUnderTest]:
    closed = weekends(SPAN)
    truth = hourly_market(closed, *SYMBOLS)
    yield subject_of(gateway(), DayCapExchange(truth, SPAN.end_ms, STATUSES), truth, closed)


@asynccontextmanager
async def archive(gateway: type[ArchiveGateway] = ArchiveGateway) -> AsyncIterator[GatewayUnderTest]:
    closed = weekends(SPAN)
    truth = hourly_market(closed, *SYMBOLS)
    damaged = hourly_market(closed, "LATE", "TORN")
    exchange = ArchiveExchange({**truth, **damaged}, SPAN.end_ms, STATUSES, MOST_ROWS, damaged=["TORN"])
    yield subject_of(gateway(MOST_ROWS), exchange, truth, closed, damaged={"TORN": damaged["TORN"]})


@asynccontextmanager
async def zoned_days(gateway: type[ZonedDaysGateway] = ZonedDaysGateway) -> AsyncIterator[GatewayUnderTest]:
    midnights = new_york_midnights(date(2023, 2, 20), 500)
    edges = [to_milliseconds(midnight) for midnight in midnights]
    # UTC is four or five hours later: the weekday there is that of New York.
    closed = SpanSet(
        TimeSpan(start_ms, end_ms)
        for midnight, start_ms, end_ms in zip(midnights, edges, edges[1:], strict=False)
        if midnight.weekday() >= 5
    )
    span = TimeSpan(edges[0], edges[-1])
    truth = market(np.array([edge for edge in edges[:-1] if not closed.covers(TimeSpan(edge, edge + 1))]), *SYMBOLS)
    exchange = ZonedDaysExchange(truth, span.end_ms, STATUSES)
    yield subject_of(gateway(MOST_ROWS), exchange, truth, closed, interval=DAILY)


@asynccontextmanager
async def newest(gateway: type[NewestGateway] = NewestGateway) -> AsyncIterator[GatewayUnderTest]:
    closed = weekends(SPAN)
    truth = hourly_market(closed, *SYMBOLS)
    young = candles_of_last(truth["D"], NEWEST // 2)
    exchange = NewestExchange({**truth, "D": young}, SPAN.end_ms, STATUSES)
    reach_ms = {symbol: int(truth[symbol].open_time_ms[-NEWEST]) for symbol in SYMBOLS[:3]}
    yield subject_of(gateway(), exchange, {**truth, "D": young}, closed, reach_ms=reach_ms)


@asynccontextmanager
async def binance() -> AsyncIterator[GatewayUnderTest]:
    truth = recorded_days()
    now_ms = max(int(candles.open_time_ms[-1]) for candles in truth.values()) + 3 * DAY_MS
    faults = [
        Fault(FaultKind.THROTTLED, "THROTTLED"),
        Fault(FaultKind.SERVER_ERROR, "DOWN"),
        Fault(FaultKind.REFUSED, "FORBIDDEN"),
        Fault(FaultKind.OTHER_SHAPE, "ODD"),
        Fault(FaultKind.HUNG, "HUNG"),
    ]
    async with (
        SimulatedExchange(
            ["10000/1s"], NO_LATENCY, faults, unknown_symbols=["UNKNOWN"], clock=lambda: now_ms / 1000
        ) as exchange,
        connected(exchange.base_url) as transport,
    ):
        yield GatewayUnderTest(
            BinanceGateway(),
            transport,
            truth,
            DAILY,
            now_ms,
            lambda: len(exchange.arrivals.arrivals),
            days_without_bars(truth),
            troubles=TROUBLES,
            hanging="HUNG",
        )


def candles_of_last(candles: Candles, count: int) -> Candles:
    """The last so many bars: of a symbol that was listed lately."""
    return candles.take(slice(len(candles) - count, None))
