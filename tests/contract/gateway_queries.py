"""Queries through a gateway without a worker: every query for a span, and the broker's answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapters.brokers.binance.usage import used_weights
from adapters.brokers.http.transport import HttpTransport
from domain.brokers.answers import Answer
from domain.brokers.gateway import Gateway
from domain.brokers.queries import Wanted
from domain.brokers.wire import Wire
from domain.candles.candles import RawCandles, stack
from domain.candles.dataset import Dataset
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan

FAR_FUTURE_MS = 2**53


def binance_at(base_url: str, timeout_seconds: float = 5.0) -> HttpTransport:
    """Connections to a server that speaks Binance's dialect, though it has other limits."""
    return HttpTransport("binance", base_url, timeout_seconds, used_weights)


@asynccontextmanager
async def connected(base_url: str, timeout_seconds: float = 5.0) -> AsyncIterator[HttpTransport]:
    """The same, closed at the end."""
    transport = binance_at(base_url, timeout_seconds)
    try:
        yield transport
    finally:
        await transport.close()


async def query(gateway: Gateway, wire: Wire, dataset: Dataset, span: TimeSpan) -> list[Answer]:
    """Every response to the queries for a span, if each of its bars is expected."""
    instruments = await gateway.resolve([dataset], wire)
    spans = SpanSet([span])
    queries = gateway.queries({instruments[dataset]: Wanted(spans, spans)}, FAR_FUTURE_MS) if span else []
    return [answer for each in queries async for answer in gateway.answers(each, wire)]


async def rows_of(gateway: Gateway, wire: Wire, dataset: Dataset, span: TimeSpan) -> RawCandles:
    """All rows that came for a span, in order."""
    answers = await query(gateway, wire, dataset, span)
    parts = [part.rows for answer in answers for part in answer.parts]
    return RawCandles.from_columns(stack(parts)) if parts else RawCandles.empty()
