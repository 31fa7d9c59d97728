"""At most so many days a request, newest rows first, and an inclusive end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from datetime import datetime, timedelta

from adapters.brokers.http.verdicts import parse_json
from adapters.in_memory.manners.exchange import MannerExchange, Reply, rows_of
from adapters.in_memory.manners.gateway import MannerGateway, raw
from domain.brokers.answers import Answer, Part
from domain.brokers.queries import Instrument, Query, Wanted
from domain.brokers.wire import Wire, WireRequest
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan, from_milliseconds, to_milliseconds

MOST_DAYS = 20
"""The most days of one request."""

DAY_MS = 86_400_000
_SECOND = timedelta(seconds=1)


class DayCapExchange(MannerExchange):
    """GET /historical/SYMBOL?from&to, times like 2024-03-01T09:15:00+00:00, with a bar that opens at `to`.

    A request for more than MOST_DAYS is refused, however few bars there are.
    """

    name = "day_caps"

    def symbols_of(self, request: WireRequest) -> list[str]:
        return [request.path.rpartition("/")[2]]

    def serve(self, request: WireRequest) -> Reply:
        first, last = (datetime.fromisoformat(str(request.params[name])) for name in ("from", "to"))
        if last - first > timedelta(days=MOST_DAYS):
            return 400, {"message": f"{MOST_DAYS} days at most"}
        (symbol,) = self.symbols_of(request)
        served = self.market[symbol].within(TimeSpan(to_milliseconds(first), to_milliseconds(last) + 1))
        rows = [[from_milliseconds(int(opens)).isoformat(), *rest] for opens, *rest in rows_of(served)]
        return 200, {"candles": rows[::-1]}


class DayCapGateway(MannerGateway):
    """Cuts by days, whatever bars are expected: nights and weekends count."""

    name = "day_caps"
    route = "/historical/"

    def queries(self, wanted: Mapping[Instrument, Wanted], now_ms: int) -> list[Query]:
        """Queries of as many days as one request may have."""
        longest_ms = MOST_DAYS * DAY_MS
        return [
            self.query(instrument, span)
            for instrument, one in wanted.items()
            for span in (one.spans.grouped(longest_ms) if one.may_bridge else _pages(one.spans, longest_ms))
        ]

    async def answers(self, query: Query, wire: Wire) -> AsyncGenerator[Answer]:
        """One response; it answers all of the span."""
        (instrument,) = query.instruments
        params = {"from": query.span.start.isoformat(), "to": self.last_moment(query).isoformat()}
        response = await self.get(wire, self.route + instrument.key, query, **params)
        rows = [
            [to_milliseconds(datetime.fromisoformat(moment)), *rest]
            for moment, *rest in parse_json(response)["candles"]
        ]
        yield Answer((Part(instrument, raw(rows), SpanSet([query.span])),), response.asked_at_ms)

    def last_moment(self, query: Query) -> datetime:
        """The last requested time: a bar that opens at the span's end belongs to the next query."""
        return query.span.end - _SECOND


def _pages(spans: Iterable[TimeSpan], longest_ms: int) -> Iterable[TimeSpan]:
    return (page for span in spans for page in span.pages(longest_ms))
