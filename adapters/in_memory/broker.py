"""InMemoryExchange and InMemoryGateway: a broker without a network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np

from domain.brokers.answers import Answer, Part
from domain.brokers.conditions import Condition, SymbolsRefused, error_of
from domain.brokers.gateway import GatewaySpec
from domain.brokers.queries import Instrument, Query, Wanted, cut
from domain.brokers.wire import Charge, Judge, Wire, WireRequest, WireResponse, judged
from domain.candles.candles import Candles, RawCandles
from domain.candles.dataset import Dataset, Interval
from domain.errors import BrokerError, BrokerThrottled
from domain.limits.ports import PermitSource
from domain.limits.usage import BrokerUsage
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan

Mishap: TypeAlias = BrokerError | asyncio.Event
"""An error to raise instead of an answer, or an event until which the request hangs."""

FAR_FUTURE_MS = 2**53
UNKNOWN_SYMBOL = 404


class InMemoryExchange:
    """Serves `market`, the candles of each symbol; implements `domain.brokers.wire.Transport`.

    `mishaps` scripts failures: the first requests of a symbol meet them in turn. A symbol without a market is rejected.
    Raise or lower `closed_before_ms` to choose the forming bar; bars after it are served as well, as real brokers do.
    `asked` keeps the symbol and span of every request.
    """

    def __init__(
        self,
        market: Mapping[str, Candles],
        closed_before_ms: int = FAR_FUTURE_MS,
        mishaps: Mapping[str, Iterable[Mishap]] | None = None,
        latency_seconds: float = 0.0,
    ) -> None:
        self.market = dict(market)
        self.closed_before_ms = closed_before_ms
        self.latency_seconds = latency_seconds
        self.asked: list[tuple[str, TimeSpan]] = []
        self.in_flight = 0
        self.closed = False
        self._mishaps = {symbol: list(ones) for symbol, ones in (mishaps or {}).items()}

    def wire(self, permits: PermitSource) -> InMemoryWire:
        """A wire to this exchange."""
        return InMemoryWire(self, permits)

    async def close(self) -> None:
        """Nothing is open; `closed` remembers the call."""
        self.closed = True

    async def respond(self, request: WireRequest) -> WireResponse:
        """Answer, late or never; raises the next mishap."""
        symbol = str(request.params["symbol"])
        span = TimeSpan(int(request.params["start"]), int(request.params["end"]))
        self.asked.append((symbol, span))
        await asyncio.sleep(self.latency_seconds)
        script = self._mishaps.get(symbol)
        mishap = script.pop(0) if script else None
        if isinstance(mishap, asyncio.Event):
            await mishap.wait()
        elif mishap is not None:
            raise mishap
        if symbol not in self.market:
            return WireResponse(UNKNOWN_SYMBOL, {}, b"", self.closed_before_ms)
        columns = self.serve(symbol, span).columns()
        body = json.dumps({name: column.tolist() for name, column in columns.items()}).encode()
        return WireResponse(200, {}, body, self.closed_before_ms)

    def serve(self, symbol: str, span: TimeSpan) -> Candles:
        """The true candles of the span."""
        return self.market[symbol].within(span)


class Responder(Protocol):
    """An exchange that answers the requests of an InMemoryWire."""

    in_flight: int

    async def respond(self, request: WireRequest) -> WireResponse:
        """Answer, late or never; may raise the BrokerError that the request ends with."""


class InMemoryWire:
    """Takes a permit for each request to the exchange; implements `domain.brokers.wire.Wire`."""

    def __init__(self, exchange: Responder, permits: PermitSource, broker: str = "memory") -> None:
        self._exchange, self._permits, self._broker = exchange, permits, broker

    async def fetch(self, request: WireRequest, judge: Judge, symbols: str) -> WireResponse:
        """Send the request to the exchange; see the port."""
        error: BrokerError | None = None
        async with self._permits.acquire(request.charge.tokens, request.charge.pool) as permit:
            permit.sent()
            self._exchange.in_flight += 1
            try:
                response = await self._exchange.respond(request)
            except BrokerError as mishap:
                error = mishap
            finally:
                self._exchange.in_flight -= 1
            permit.answered()
        if error is None and (condition := judged(judge, response)) is not None:
            error = error_of(condition, self._broker, symbols)
        if isinstance(error, BrokerThrottled):
            await self._permits.cool_down(error.retry_after_seconds, error.message)
        if error is not None:
            raise error
        return response


class InMemoryGateway:
    """A gateway to an InMemoryExchange: one symbol a query, `most_rows` bars at most."""

    def __init__(self, name: str = "memory", most_rows: int = 1000, tokens: int = 1) -> None:
        self._spec = GatewaySpec(name, "memory:", name, (), (), (Charge(tokens),), most_rows=most_rows)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> InMemoryGateway:
        """The gateway, as the registry makes it; it takes no options."""
        if options:
            raise ValueError(f"memory takes no options: leave {min(options)} out")
        return cls()

    @property
    def spec(self) -> GatewaySpec:
        return self._spec

    def dataset(self, symbol: str, interval: Interval) -> Dataset:
        """Raw candles on a grid anchored at 1970, whatever the interval."""
        return Dataset(self._spec.name, symbol, interval)

    async def resolve(self, datasets: Sequence[Dataset], wire: Wire) -> dict[Dataset, Instrument]:
        """Symbols are their own keys."""
        return {dataset: Instrument.of(dataset) for dataset in datasets}

    def queries(self, wanted: Mapping[Instrument, Wanted], now_ms: int) -> list[Query]:
        """One instrument a query."""
        most = self._spec.most_rows
        return [
            self._query(instrument, span)
            for instrument, one in wanted.items()
            for span in cut(one, instrument.dataset, most)
        ]

    def another_way(self, query: Query, doubtful: Mapping[Instrument, SpanSet]) -> list[Query]:
        """The doubtful stretch in a query of its own."""
        return [self._query(instrument, spans.extent) for instrument, spans in doubtful.items() if spans]

    async def answers(self, query: Query, wire: Wire) -> AsyncGenerator[Answer]:
        """One response."""
        (instrument,) = query.instruments
        params: dict[str, str | int] = {
            "symbol": instrument.key,
            "start": query.span.start_ms,
            "end": query.span.end_ms,
        }
        response = await wire.fetch(WireRequest("/candles", params, query.charges[0]), _judge, query.symbols)
        columns = {name: np.array(values) for name, values in json.loads(response.body).items()}
        part = Part(instrument, RawCandles.from_columns(columns), SpanSet([query.span]))
        yield Answer((part,), response.asked_at_ms)

    def usage(self, headers: Mapping[str, str]) -> tuple[BrokerUsage, ...]:
        """Nothing: its headers have no counts."""
        return ()

    def _query(self, instrument: Instrument, span: TimeSpan) -> Query:
        return Query("/candles", (instrument,), span, self._spec.charges, self._spec.most_rows)


def _judge(response: WireResponse) -> Condition | None:
    return SymbolsRefused("unknown symbol") if response.status == UNKNOWN_SYMBOL else None
