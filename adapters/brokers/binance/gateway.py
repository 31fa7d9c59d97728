"""BinanceGateway: candles from the public spot klines of Binance, or of a server that speaks its dialect."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

from adapters.brokers.binance.klines import WrongKlines, parse_klines
from adapters.brokers.http.session import HttpAnswer, HttpSession
from adapters.brokers.http.usage import used_weights
from domain.brokers.gateway import CandlePage, PageRequest
from domain.candles.dataset import Dataset, Interval
from domain.errors import BrokerUnavailable, MalformedResponse, SettingsError, SymbolRejected
from domain.limits.ports import PermitSource
from domain.limits.rates import RateLimit

BASE_URL = "https://api.binance.com"
DEFAULT_LIMITS = ("6000w/60s",)
"""What one IP address may use. Source: Binance Spot API, `rateLimits` of GET /api/v3/exchangeInfo
(REQUEST_WEIGHT 6000 per minute); its RAW_REQUESTS (61,000 in 5 minutes) cannot be reached with klines of weight 2."""

KLINES_WEIGHT = 2
"""Source: Binance Spot API, "Kline/Candlestick data": weight 2, whatever the limit parameter says."""

INTERVALS = (
    "1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w",
)  # fmt: skip

_FIRST_MONDAY_MS = 345_600_000
_SERVER_TROUBLE = frozenset({-1000, -1001, -1006, -1007, -1008, -1016})
"""Unknown, disconnected, odd response, timeout, overloaded, shutting down. Source: Binance Spot API, "Errors"."""


class BinanceGateway:
    """Binance's spot klines: up to 1,000 candles a page, no account needed.

    Extra columns: quote_volume, trade_count (int64), taker_buy_base_volume, taker_buy_quote_volume.
    Bars open on multiples of their interval since 1970; weeks open on Mondays. Calendar months ("1M")
    have no fixed length and are not offered.
    """

    name = "binance"
    max_candles_per_page = 1000
    tokens_per_request = KLINES_WEIGHT
    pool = ""

    def __init__(
        self, base_url: str = BASE_URL, timeout_seconds: float = 10.0, clock: Callable[[], float] = time.time
    ) -> None:
        # Another server need not have Binance's limits.
        documented = [RateLimit.parse(text) for text in DEFAULT_LIMITS] if base_url == BASE_URL else []
        read_usage = partial(used_weights, documented=documented)
        self._http = HttpSession(self.name, base_url, timeout_seconds, clock, read_usage)

    def dataset(self, symbol: str, interval: Interval) -> Dataset:
        """The symbol's candles on Binance's grid; SettingsError for an interval that Binance lacks."""
        if interval.name not in INTERVALS:
            raise SettingsError(f'Binance has no interval "{interval}": choose one of {", ".join(INTERVALS)}')
        anchor_ms = _FIRST_MONDAY_MS if interval.name == "1w" else 0
        return Dataset.fixed(self.name, symbol, interval, anchor_ms=anchor_ms)

    async def fetch_page(self, request: PageRequest, permits: PermitSource) -> CandlePage:
        """Fetch one page as Binance has it, the bar still forming included.

        `closed_before_ms` is when the broker can have looked at the request at the earliest, by its
        own clock: a bar that closed while the answer was on its way is not final in that answer.
        """
        dataset, span = request.dataset, request.span
        bars = dataset.bars_in(span)
        if not 0 < bars <= self.max_candles_per_page:
            raise ValueError(f"a page holds 1 to {self.max_candles_per_page} bars, not {bars}")
        params: dict[str, str | int] = {
            "symbol": dataset.symbol,
            "interval": dataset.interval.name,
            "startTime": span.start_ms,
            "endTime": span.end_ms - 1,
            "limit": bars,
        }
        answer = await self._http.get_json("/api/v3/klines", params, permits, self.tokens_per_request, dataset.symbol)
        if answer.status >= 400:
            self._reject(answer, dataset.symbol)
        try:
            candles = parse_klines(answer.payload, most_rows=bars)
        except WrongKlines as error:
            raise MalformedResponse(self.name, dataset.symbol, str(error)) from error
        return CandlePage(request, candles, answer.asked_at_ms, answer.requests)

    async def close(self) -> None:
        """Close the session; fetching again opens another."""
        await self._http.close()

    def _reject(self, answer: HttpAnswer, symbol: str) -> NoReturn:
        """Raise what a 4xx means: Binance's own refusal of this request will not change by asking again."""
        code, message = _binance_error(answer.payload)
        if code is None:
            raise MalformedResponse(self.name, symbol, f"HTTP {answer.status} that is not an error of Binance")
        text = f"HTTP {answer.status}, code {code}: {message}"
        if code in _SERVER_TROUBLE:
            raise BrokerUnavailable(self.name, symbol, text)
        raise SymbolRejected(self.name, symbol, text)


def _binance_error(payload: Any) -> tuple[int | None, str]:
    if isinstance(payload, dict) and type(payload.get("code")) is int:
        return payload["code"], str(payload.get("msg", ""))
    return None, ""
