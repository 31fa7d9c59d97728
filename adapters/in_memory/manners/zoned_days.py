"""Days of a time zone, told as dates: where a bar opens, only who knows the zone can tell."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import date, datetime, time, timedelta, timezone, tzinfo

from adapters.brokers.http.verdicts import parse_json
from adapters.in_memory.manners.exchange import MannerExchange, Reply, rows_of
from adapters.in_memory.manners.gateway import MannerGateway, raw
from domain.brokers.answers import Answer, Part
from domain.brokers.queries import Query
from domain.brokers.wire import Wire, WireRequest
from domain.candles.dataset import Dataset, Interval
from domain.spans.span_set import SpanSet
from domain.spans.time_span import from_milliseconds, to_milliseconds

NEW_YORK_IN_WINTER = timezone(timedelta(hours=-5))
DAY_MS = 86_400_000


class ZonedDaysExchange(MannerExchange):
    """GET /daily?symbol&first&last, both dates included: rows are told by the date of New York's day."""

    name = "zoned_days"
    zone: tzinfo = NEW_YORK_IN_WINTER

    def symbols_of(self, request: WireRequest) -> list[str]:
        return [str(request.params["symbol"])]

    def serve(self, request: WireRequest) -> Reply:
        (symbol,) = self.symbols_of(request)
        first, last = (date.fromisoformat(str(request.params[name])) for name in ("first", "last"))
        rows = [(self._date_of(int(opens)), rest) for opens, *rest in rows_of(self.market[symbol])]
        return 200, [[day.isoformat(), *rest] for day, rest in rows if first <= day <= last]

    def _date_of(self, opens_ms: int) -> date:
        return from_milliseconds(opens_ms).astimezone(self.zone).date()


class ZonedDaysGateway(MannerGateway):
    """Days open at midnight of `zone`. The grid is a fixed one, so the zone must not change its clocks."""

    name = "zoned_days"
    route = "/daily"
    zone: tzinfo = NEW_YORK_IN_WINTER

    def dataset(self, symbol: str, interval: Interval) -> Dataset:
        """Days that open at the zone's midnight."""
        return Dataset(self.spec.name, symbol, interval, anchor_ms=self.opens_ms(date(1970, 1, 1)) % DAY_MS)

    async def answers(self, query: Query, wire: Wire) -> AsyncGenerator[Answer]:
        """One response; it speaks for all of the span."""
        (instrument,) = query.instruments
        first, last = (
            from_milliseconds(moment_ms).astimezone(self.zone).date().isoformat()
            for moment_ms in (query.span.start_ms, query.span.end_ms - 1)
        )
        response = await self.get(wire, self.route, query, symbol=instrument.key, first=first, last=last)
        rows = [[self.opens_ms(date.fromisoformat(day)), *rest] for day, *rest in parse_json(response)]
        yield Answer((Part(instrument, raw(rows), SpanSet([query.span])),), response.asked_at_ms)

    def opens_ms(self, day: date) -> int:
        """When the bar of a date opens."""
        return to_milliseconds(datetime.combine(day, time(), self.zone))
