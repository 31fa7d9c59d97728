"""Several symbols under one row cap, with a cursor: a response may end inside a symbol, and be short."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from itertools import groupby
from operator import itemgetter

from adapters.brokers.http.verdicts import parse_json
from adapters.in_memory.manners.exchange import MannerExchange, Reply, rows_of
from adapters.in_memory.manners.gateway import ONE_REQUEST, MannerGateway, raw
from domain.brokers.answers import Answer, Part
from domain.brokers.queries import Instrument, Query, Wanted, grouped, listed, shared
from domain.brokers.wire import Wire, WireRequest
from domain.candles.candles import Candles, RawCandles
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan


class CursorExchange(MannerExchange):
    """GET /bars?symbols=A,B&start&end&limit&page_token, `end` excluded.

    Rows come by symbol, then by time, `most_rows` in a response, but only half of that in the first of a query. The
    token names the first row of the next response; it is null only at the end.
    """

    name = "cursor"

    def __init__(
        self,
        market: Mapping[str, Candles],
        now_ms: int,
        troubles: Mapping[str, int] | None = None,
        most_rows: int = 1000,
    ) -> None:
        super().__init__(market, now_ms, troubles)
        self.most_rows = most_rows

    def symbols_of(self, request: WireRequest) -> list[str]:
        return str(request.params["symbols"]).split(",")

    def serve(self, request: WireRequest) -> Reply:
        span = TimeSpan(int(request.params["start"]), min(int(request.params["end"]), self.now_ms))
        token = str(request.params.get("page_token", ""))
        limit = min(int(request.params["limit"]), self.most_rows)
        rows = [
            (symbol, row)
            for symbol in sorted(self.symbols_of(request))
            for row in rows_of(self.market[symbol].within(span))
        ]
        places = [f"{symbol}@{row[0]}" for symbol, row in rows]
        first = places.index(token) if token else 0
        last = first + (limit if token else limit // 2)
        bars = {symbol: [row for _, row in ones] for symbol, ones in groupby(rows[first:last], itemgetter(0))}
        return 200, {"bars": bars, "next_page_token": places[last] if last < len(places) else None}


class CursorGateway(MannerGateway):
    """Follows the token to its end, whatever a response contains: a short one need not be the last."""

    name = "cursor"
    route = "/bars"
    most_instruments = 3
    finds_listings = True

    def queries(self, wanted: Mapping[Instrument, Wanted], now_ms: int) -> list[Query]:
        """One query for each span that the same instruments want, in as many requests as its bars take."""
        return [
            self._query(span, instruments, wanted)
            for span, all_of_it in shared(wanted)
            for instruments in grouped(all_of_it, self.most_instruments)
        ]

    async def answers(self, query: Query, wire: Wire) -> AsyncGenerator[Answer]:
        """One response after the other. Each answers up to its last row, and the last one answers everything."""
        token, answered_ms = "", dict.fromkeys(query.instruments, query.span.start_ms)
        while True:
            more = {"page_token": token} if token else {}
            response = await self.get(wire, self.route, query, **self._params(query), **more)
            payload = parse_json(response)
            token = payload["next_page_token"]
            bars = {one: raw(payload["bars"].get(one.key, [])) for one in query.instruments}
            is_last = self.is_last(bars, token)
            parts = []
            for one, end_ms in self.ends_ms(query, bars, is_last).items():
                answered = SpanSet([TimeSpan(answered_ms[one], max(answered_ms[one], end_ms))])
                if answered:
                    parts.append(Part(one, bars[one], answered))
                    answered_ms[one] = end_ms
            yield Answer(tuple(parts), response.asked_at_ms)
            if is_last:
                return

    def is_last(self, bars: Mapping[Instrument, RawCandles], token: str | None) -> bool:
        """Whether a response is the last: only the token shows that."""
        return token is None

    def ends_ms(self, query: Query, bars: Mapping[Instrument, RawCandles], is_last: bool) -> dict[Instrument, int]:
        """The end of what a response has answered of each instrument."""
        cut_in = max((one.key for one, rows in bars.items() if len(rows)), default="")
        ends_ms = {}
        for one, rows in bars.items():
            if is_last or one.key < cut_in:
                ends_ms[one] = query.span.end_ms
            elif one.key == cut_in:
                ends_ms[one] = one.dataset.later(int(rows.open_time_ms[-1]), 1)
        return ends_ms

    def _params(self, query: Query) -> dict[str, str | int]:
        symbols = ",".join(instrument.key for instrument in query.instruments)
        return {
            "symbols": symbols,
            "start": query.span.start_ms,
            "end": query.span.end_ms,
            "limit": self.spec.most_rows,
        }

    def _query(self, span: TimeSpan, instruments: tuple[Instrument, ...], wanted: Mapping[Instrument, Wanted]) -> Query:
        most_rows = self.spec.most_rows
        bars = sum(one.dataset.count(listed(wanted[one], one).expected.within(span)) for one in instruments)
        requests = 1 - (min(0, most_rows // 2 - bars) // most_rows)
        return Query(self.route, instruments, span, ONE_REQUEST * requests, most_rows)
