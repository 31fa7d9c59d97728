"""BinanceGateway: candles from the public spot klines of Binance, or of a server that speaks its dialect."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from adapters.brokers.binance.klines import WrongKlines, parse_klines
from adapters.brokers.binance.usage import used_weights
from adapters.brokers.http.verdicts import http_condition, parse_json
from adapters.grids import calendar_grid
from domain.brokers.answers import Answer, Part
from domain.brokers.conditions import Condition, SymbolsRefused, Unreachable, Unusable
from domain.brokers.gateway import GatewaySpec
from domain.brokers.queries import Instrument, Query, Wanted, cut
from domain.brokers.wire import Charge, Wire, WireRequest, WireResponse
from domain.candles.candles import RawCandles
from domain.candles.dataset import Dataset, Interval
from domain.errors import MalformedResponse, SettingsError
from domain.limits.rates import RateLimit
from domain.limits.usage import BrokerUsage
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan

BASE_URL = "https://api.binance.com"
MOST_ROWS = 1000
KLINES = "/api/v3/klines"

_KLINES_CHARGE = Charge(2)
"""Source: Binance Spot API, "Kline/Candlestick data": weight 2, whatever the limit parameter says."""

INTERVALS = (
    "1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M",
)  # fmt: skip

SPEC = GatewaySpec(
    name="binance",
    base_url=BASE_URL,
    limit_domain="binance",
    # The limits of one IP address. Source: Binance Spot API, `rateLimits` of GET /api/v3/exchangeInfo (REQUEST_WEIGHT
    # 6000 per minute); its RAW_REQUESTS (61,000 in 5 minutes) cannot be reached with klines of weight 2.
    limits=(RateLimit.parse("6000w/60s"),),
    scope="address",
    # Source: Binance Spot API, "IP Limits": bans go from 2 minutes to 3 days.
    longest_ban_seconds=3 * 86_400.0,
    intervals=INTERVALS,
    charges=(_KLINES_CHARGE,),
    most_rows=MOST_ROWS,
)

_FIRST_MONDAY_MS = 345_600_000
_SERVER_TROUBLE = frozenset({-1000, -1001, -1006, -1007, -1008, -1016})
"""Unknown, disconnected, odd response, timeout, overloaded, shutting down. Source: Binance Spot API, "Errors"."""


class BinanceGateway:
    """Binance's spot klines: up to 1,000 candles a response, no account needed.

    Extra columns: quote_volume, trade_count (int64), taker_buy_base_volume, taker_buy_quote_volume.
    Bars open on multiples of their interval since 1970; weeks open on Mondays, months on their first day.
    """

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> BinanceGateway:
        """The gateway; it takes no options."""
        if options:
            raise ValueError(f"binance takes no options: leave {min(options)} out")
        return cls()

    @property
    def spec(self) -> GatewaySpec:
        return SPEC

    def dataset(self, symbol: str, interval: Interval) -> Dataset:
        """The symbol's candles on Binance's grid; SettingsError for an interval that Binance lacks."""
        if interval.name not in INTERVALS:
            raise SettingsError(f'Binance has no interval "{interval}": choose one of {", ".join(INTERVALS)}')
        if not interval.is_fixed:
            return Dataset(SPEC.name, symbol, interval, grid=calendar_grid(interval))
        anchor_ms = _FIRST_MONDAY_MS if interval.name == "1w" else 0
        return Dataset.fixed(SPEC.name, symbol, interval, anchor_ms=anchor_ms)

    async def resolve(self, datasets: Sequence[Dataset], wire: Wire) -> dict[Dataset, Instrument]:
        """Binance knows symbols by their names."""
        return {dataset: Instrument.of(dataset) for dataset in datasets}

    def queries(self, wanted: Mapping[Instrument, Wanted], now_ms: int) -> list[Query]:
        """One instrument a query, 1,000 bars at most."""
        return [
            Query(KLINES, (instrument,), span, (_KLINES_CHARGE,), MOST_ROWS)
            for instrument, one in wanted.items()
            for span in cut(one, instrument.dataset, MOST_ROWS)
        ]

    def another_way(self, query: Query, doubtful: Mapping[Instrument, SpanSet]) -> list[Query]:
        """The stretch from the first to the last missing bar, in a query of its own."""
        return [
            Query(KLINES, (instrument,), spans.extent, (_KLINES_CHARGE,), MOST_ROWS)
            for instrument, spans in doubtful.items()
            if spans
        ]

    async def answers(self, query: Query, wire: Wire) -> AsyncGenerator[Answer]:
        """One response, with the forming bar."""
        (instrument,) = query.instruments
        dataset, span = instrument.dataset, query.span
        params: dict[str, str | int] = {
            "symbol": instrument.key,
            "interval": dataset.interval.name,
            "startTime": span.start_ms,
            "endTime": span.end_ms - 1,
            "limit": min(dataset.bars_in(span), MOST_ROWS),
        }
        response = await wire.fetch(WireRequest(KLINES, params, _KLINES_CHARGE), _judge, dataset.symbol)
        try:
            rows = parse_klines(parse_json(response), most_rows=MOST_ROWS)
        except (WrongKlines, ValueError) as error:
            raise MalformedResponse(SPEC.name, dataset.symbol, str(error)) from error
        yield Answer((Part(instrument, rows, _answered(rows, dataset, span)),), response.asked_at_ms)

    def usage(self, headers: Mapping[str, str]) -> tuple[BrokerUsage, ...]:
        """The weights that Binance has counted."""
        return used_weights(headers, SPEC.limits)


def _answered(rows: RawCandles, dataset: Dataset, span: TimeSpan) -> SpanSet:
    """What the rows answer of the span: all of it, but only up to the last row where the response is full."""
    if len(rows) < MOST_ROWS or dataset.bars_in(span) <= MOST_ROWS:
        return SpanSet([span])
    inside = rows.open_time_ms[(rows.open_time_ms >= span.start_ms) & (rows.open_time_ms < span.end_ms)]
    return SpanSet(
        [TimeSpan(span.start_ms, dataset.later(dataset.floor_ms(int(inside.max())), 1))] if len(inside) else [span]
    )


def _judge(response: WireResponse) -> Condition | None:
    condition = http_condition(response)
    if condition is not None or response.status < 400:
        return condition
    try:
        code, message = _binance_error(parse_json(response))
    except ValueError as error:
        return Unusable(str(error))
    if code is None:
        return Unusable(f"HTTP {response.status} that is not an error of Binance")
    text = f"HTTP {response.status}, code {code}: {message}"
    return Unreachable(text) if code in _SERVER_TROUBLE else SymbolsRefused(text)


def _binance_error(payload: Any) -> tuple[int | None, str]:
    if isinstance(payload, dict) and type(payload.get("code")) is int:
        return payload["code"], str(payload.get("msg", ""))
    return None, ""
