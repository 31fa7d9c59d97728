"""Days of a time zone, given as dates: only a reader that knows the zone can tell when a bar opens."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from adapters.brokers.http.verdicts import parse_json
from adapters.grids import calendar_grid
from adapters.in_memory.manners.exchange import MannerExchange, Reply, rows_of
from adapters.in_memory.manners.gateway import MannerGateway, raw
from domain.brokers.answers import Answer, Part
from domain.brokers.queries import Query
from domain.brokers.wire import Wire, WireRequest
from domain.candles.dataset import Dataset, Interval
from domain.spans.span_set import SpanSet
from domain.spans.time_span import from_milliseconds, to_milliseconds

NEW_YORK = "America/New_York"


class ZonedDaysExchange(MannerExchange):
    """GET /daily?symbol&first&last, both dates included: rows carry the date of New York's day."""

    name = "zoned_days"

    def symbols_of(self, request: WireRequest) -> list[str]:
        return [str(request.params["symbol"])]

    def serve(self, request: WireRequest) -> Reply:
        (symbol,) = self.symbols_of(request)
        first, last = (date.fromisoformat(str(request.params[name])) for name in ("first", "last"))
        rows = [(self._date_of(int(opens)), rest) for opens, *rest in rows_of(self.market[symbol])]
        return 200, [[day.isoformat(), *rest] for day, rest in rows if first <= day <= last]

    def _date_of(self, opens_ms: int) -> date:
        return from_milliseconds(opens_ms).astimezone(ZoneInfo(NEW_YORK)).date()


class ZonedDaysGateway(MannerGateway):
    """Days open at New York's midnight, and are 23, 24 or 25 hours long."""

    name = "zoned_days"
    route = "/daily"

    def dataset(self, symbol: str, interval: Interval) -> Dataset:
        """A dataset on the grid of New York's days."""
        return Dataset(self.spec.name, symbol, interval, grid=calendar_grid(interval, NEW_YORK))

    async def answers(self, query: Query, wire: Wire) -> AsyncGenerator[Answer]:
        """One response; it answers all of the span."""
        (instrument,) = query.instruments
        first, last = (
            from_milliseconds(moment_ms).astimezone(ZoneInfo(NEW_YORK)).date().isoformat()
            for moment_ms in (query.span.start_ms, query.span.end_ms - 1)
        )
        response = await self.get(wire, self.route, query, symbol=instrument.key, first=first, last=last)
        rows = [[self.opens_ms(date.fromisoformat(day)), *rest] for day, *rest in parse_json(response)]
        yield Answer((Part(instrument, raw(rows), SpanSet([query.span])),), response.asked_at_ms)

    def opens_ms(self, day: date) -> int:
        """When the bar of a date opens."""
        return to_milliseconds(datetime.combine(day, time(), ZoneInfo(NEW_YORK)).astimezone(UTC))
