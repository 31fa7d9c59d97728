"""MannerGateway: what the gateways of all manners have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from adapters.brokers.http.verdicts import http_condition, parse_json
from adapters.in_memory.manners.exchange import LISTING
from domain.brokers.conditions import Condition, SymbolsRefused, Unusable
from domain.brokers.gateway import GatewaySpec
from domain.brokers.listing import Listing
from domain.brokers.queries import Instrument, Query, Wanted, cut, listed
from domain.brokers.wire import Charge, Wire, WireRequest, WireResponse
from domain.candles.candles import RawCandles
from domain.candles.dataset import Dataset, Interval
from domain.limits.usage import BrokerUsage
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan

ONE_REQUEST = (Charge(),)


class MannerGateway:
    """A gateway to an exchange without a network, `most_rows` bars a response; subclasses add the manner.

    With `finds_listings` it looks up each symbol's first bar, so that no request is planned for earlier bars.
    """

    name = "memory"
    route = "/candles"
    most_instruments = 1
    finds_listings = False

    def __init__(self, most_rows: int = 1000) -> None:
        self.spec = GatewaySpec(
            name=self.name,
            base_url="memory:",
            limit_domain=self.name,
            limits=(),
            intervals=(),
            most_instruments=self.most_instruments,
            most_rows=most_rows,
            finds_listings=self.finds_listings,
        )

    def dataset(self, symbol: str, interval: Interval) -> Dataset:
        """Candles on a grid anchored at 1970, whatever the interval."""
        return Dataset(self.spec.name, symbol, interval)

    async def resolve(self, datasets: Sequence[Dataset], wire: Wire) -> dict[Dataset, Instrument]:
        """Symbols are their own keys."""
        if not self.finds_listings:
            return {dataset: Instrument.of(dataset) for dataset in datasets}
        return {dataset: await self._with_listing(dataset, wire) for dataset in datasets}

    def queries(self, wanted: Mapping[Instrument, Wanted], now_ms: int) -> list[Query]:
        """One instrument a query."""
        return [
            self.query(instrument, span)
            for instrument, one in wanted.items()
            for span in cut(listed(one, instrument), instrument.dataset, self.spec.most_rows)
        ]

    def another_way(self, query: Query, doubtful: Mapping[Instrument, SpanSet]) -> list[Query]:
        """The doubtful stretch in a query of its own."""
        stretches = {instrument: SpanSet([spans.extent]) for instrument, spans in doubtful.items() if spans}
        return self.queries({instrument: Wanted(spans, spans) for instrument, spans in stretches.items()}, 0)

    def usage(self, headers: Mapping[str, str]) -> Iterable[BrokerUsage]:
        """Nothing: its headers have no counts."""
        return ()

    def query(self, instrument: Instrument, span: TimeSpan) -> Query:
        """A query of one instrument that takes one request."""
        return Query(self.route, (instrument,), span, ONE_REQUEST, self.spec.most_rows)

    async def get(self, wire: Wire, path: str, query: Query, **params: str | int) -> WireResponse:
        """One request of a query."""
        return await wire.fetch(WireRequest(path, params, query.charges[0]), judge, query.symbols)

    async def _with_listing(self, dataset: Dataset, wire: Wire) -> Instrument:
        response = await wire.fetch(WireRequest(LISTING + dataset.symbol), judge, dataset.symbol)
        first_ms = parse_json(response)["first_ms"]
        return Instrument(dataset, dataset.symbol, Listing(first_ms, None, LISTING, response.asked_at_ms))


def judge(response: WireResponse) -> Condition | None:
    """The condition of a response of any of the exchanges."""
    condition = http_condition(response)
    if condition is not None or response.status < 400:
        return condition
    if response.status == 404:
        unknown = parse_json(response)["unknown"]
        return SymbolsRefused(f"unknown: {', '.join(unknown)}", tuple(unknown))
    return Unusable(f"HTTP {response.status}: {response.body[:200].decode(errors='replace')}")


def raw(rows: Sequence[Sequence[Any]]) -> RawCandles:
    """Rows of an opening, four prices and a volume, as columns."""
    table = list(zip(*rows, strict=True)) or [()] * 6
    opens, *floats = table
    first, highest, lowest, last, volume = (np.array(column, np.float64) for column in floats)
    return RawCandles(np.array(opens, np.int64), first, highest, lowest, last, volume)


def inside(rows: RawCandles, span: TimeSpan) -> RawCandles:
    """The rows that open in the span."""
    return rows.take((rows.open_time_ms >= span.start_ms) & (rows.open_time_ms < span.end_ms))
