"""The newest 720 bars, whatever is requested: older ones are out of reach, not empty."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping

from adapters.brokers.http.verdicts import parse_json
from adapters.in_memory.manners.exchange import MannerExchange, Reply, rows_of
from adapters.in_memory.manners.gateway import MannerGateway, inside, raw
from domain.brokers.answers import Answer, Part
from domain.brokers.queries import Instrument, Query, Wanted
from domain.brokers.wire import Wire, WireRequest
from domain.candles.candles import RawCandles
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan

NEWEST = 720
"""The bars of a response, unless the symbol has fewer."""


class NewestExchange(MannerExchange):
    """GET /newest?symbol."""

    name = "newest"

    def symbols_of(self, request: WireRequest) -> list[str]:
        return [str(request.params["symbol"])]

    def serve(self, request: WireRequest) -> Reply:
        (symbol,) = self.symbols_of(request)
        candles = self.market[symbol].within(TimeSpan(0, self.now_ms))
        return 200, rows_of(candles)[-NEWEST:]


class NewestGateway(MannerGateway):
    """Makes one request for each instrument, and reports how far back it reached."""

    name = "newest"
    route = "/newest"

    def __init__(self) -> None:
        super().__init__(most_rows=NEWEST)

    def queries(self, wanted: Mapping[Instrument, Wanted], now_ms: int) -> list[Query]:
        """One query for each instrument: its response has all bars in reach."""
        return [self.query(instrument, one.spans.extent) for instrument, one in wanted.items() if one.spans]

    async def answers(self, query: Query, wire: Wire) -> AsyncGenerator[Answer]:
        """The one response."""
        (instrument,) = query.instruments
        response = await self.get(wire, self.route, query, symbol=instrument.key)
        rows = raw(parse_json(response))
        answered = SpanSet([query.span.intersect(TimeSpan(self.reach_ms(query, rows), query.span.end_ms))])
        part = Part(instrument, inside(rows, query.span), answered, SpanSet([query.span]) - answered)
        yield Answer((part,), response.asked_at_ms)

    def reach_ms(self, query: Query, rows: RawCandles) -> int:
        """The time from which the response has all bars: a full one from its first row on."""
        if len(rows) < NEWEST:
            return query.span.start_ms
        return min(int(rows.open_time_ms.min()), query.span.end_ms)
