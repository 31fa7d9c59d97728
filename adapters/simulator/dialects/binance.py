"""Binance's dialect, from the server's side: parameters, weights and error bodies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from adapters.simulator.market import KlinesQuery
from domain.limits.rates import Counts, RateLimit

WEIGHTS = {"/api/v3/klines": 2, "/api/v3/exchangeInfo": 20, "/api/v3/time": 1, "/api/v3/ping": 1}
"""Source: Binance Spot API, "General endpoints" and "Market data endpoints"."""

_DEFAULT_LIMIT = 500
_LARGEST_LIMIT = 1000


class WrongQuery(Exception):
    """The parameters are not what the API takes."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message


def read_klines_query(query: Mapping[str, str]) -> KlinesQuery:
    """Read the parameters of /api/v3/klines; WrongQuery with Binance's code where they are wrong."""
    for name in ("symbol", "interval"):
        if not query.get(name):
            raise WrongQuery(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    limit = _whole_number(query, "limit")
    return KlinesQuery(
        query["symbol"],
        query["interval"],
        _whole_number(query, "startTime"),
        _whole_number(query, "endTime"),
        min(_DEFAULT_LIMIT if limit is None else limit, _LARGEST_LIMIT),
    )


def error_answer(status: int, code: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """An error as Binance words it."""
    return web.json_response({"code": code, "msg": message}, status=status, headers=headers)


def exchange_info(now_ms: int, limits: Sequence[RateLimit], symbols: Sequence[str]) -> dict[str, Any]:
    """A minimal /api/v3/exchangeInfo."""
    rate_limits = [
        {
            "rateLimitType": "REQUEST_WEIGHT" if limit.counts is Counts.WEIGHT else "RAW_REQUESTS",
            "interval": "SECOND",
            "intervalNum": limit.window_seconds,
            "limit": limit.amount,
        }
        for limit in limits
    ]
    listed = [{"symbol": symbol, "status": "TRADING"} for symbol in symbols]
    return {"timezone": "UTC", "serverTime": now_ms, "rateLimits": rate_limits, "symbols": listed}


def _whole_number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise WrongQuery(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")
    return int(text)
