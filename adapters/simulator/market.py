"""Market: the candles of the simulated exchange, recorded and generated."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Literal, TypeAlias

from adapters.simulator.generated import generated_rows
from adapters.simulator.recorded import load_recorded

Origin: TypeAlias = Literal["recorded", "generated"]

_MINUTE_MS, _HOUR_MS, _DAY_MS = 60_000, 3_600_000, 86_400_000
DURATIONS_MS = {
    "1s": 1_000,
    **{f"{count}m": count * _MINUTE_MS for count in (1, 3, 5, 15, 30)},
    **{f"{count}h": count * _HOUR_MS for count in (1, 2, 4, 6, 8, 12)},
    **{"1d": _DAY_MS, "3d": 3 * _DAY_MS, "1w": 7 * _DAY_MS},
}
"""Kept apart from the gateway's list, so that each checks the other; months have no one length."""

MONTH = "1M"

_MONDAY_MS = 4 * _DAY_MS
_SYMBOL = re.compile(r"^[A-Z0-9]{1,20}$")


class UnknownSymbol(Exception):
    """The exchange does not list the symbol."""


class UnknownInterval(Exception):
    """The exchange has no bars of this interval for the symbol."""


@dataclass(frozen=True, slots=True)
class KlinesQuery:
    """A klines query: bars opening in the closed [start, end], at most `limit`; without a start, the latest."""

    symbol: str
    interval: str
    start_ms: int | None
    end_ms: int | None
    limit: int


class Market:
    """Recorded daily candles where there are any, generated ones of any interval for every other name.

    Every name of up to 20 capitals and digits is listed, except for `unknown_symbols`. With `days_of` a recorded
    symbol, generated ones have daily candles on its days only, like a stock exchange with its real weekends and
    holidays.
    """

    def __init__(self, unknown_symbols: Collection[str] = (), days_of: str | None = None) -> None:
        self._recorded = load_recorded()
        self._unknown_symbols = frozenset(unknown_symbols)
        self._trading_days = self._recorded.get(days_of) if days_of else None

    @property
    def recorded_symbols(self) -> list[str]:
        return sorted(self._recorded)

    def origin(self, symbol: str) -> Origin:
        """Where the symbol's candles come from. Raises UnknownSymbol."""
        if symbol in self._unknown_symbols or not _SYMBOL.match(symbol):
            raise UnknownSymbol(symbol)
        return "recorded" if symbol in self._recorded else "generated"

    def klines(self, query: KlinesQuery, now_ms: int) -> list[str]:
        """The klines as JSON texts in order, the bar that is forming at `now_ms` included, none beyond it.

        Raises UnknownSymbol, and UnknownInterval (recorded symbols have days only).
        """
        origin = self.origin(query.symbol)
        duration_ms = DURATIONS_MS.get(query.interval)
        is_unknown = duration_ms is None and query.interval != MONTH
        if is_unknown or (origin == "recorded" and query.interval != "1d"):
            raise UnknownInterval(query.interval)
        end_ms = now_ms if query.end_ms is None else min(query.end_ms, now_ms)
        if origin == "recorded":
            return self._recorded[query.symbol].page(query.start_ms, end_ms, query.limit)
        if self._trading_days and query.interval == "1d":
            days_ms = self._trading_days.days(query.start_ms, end_ms, query.limit)
            return _generated_on(days_ms, query.symbol, now_ms)
        if duration_ms is None:
            return _generated_months(query, end_ms, now_ms)
        return _generated(query, end_ms, duration_ms, now_ms)


def _generated_on(days_ms: list[int], symbol: str, now_ms: int) -> list[str]:
    if not days_ms:
        return []
    first_ms = days_ms[0]
    rows = generated_rows(symbol, first_ms, (days_ms[-1] - first_ms) // _DAY_MS + 1, _DAY_MS, now_ms)
    return [rows[(day_ms - first_ms) // _DAY_MS] for day_ms in days_ms]


def _generated_months(query: KlinesQuery, end_ms: int, now_ms: int) -> list[str]:
    last = _month_of(end_ms)
    first = last - query.limit + 1
    if query.start_ms is not None:
        first = _month_of(query.start_ms - 1) + 1
    months = range(first, min(last + 1, first + query.limit))
    opens_ms = [_opening_of(month) for month in (*months, months.stop)]
    bars = pairwise(opens_ms) if months else ()
    return [row for start, end in bars for row in generated_rows(query.symbol, start, 1, end - start, now_ms)]


def _month_of(moment_ms: int) -> int:
    """The month that holds the moment, counted from January of the year 0."""
    moment = datetime.fromtimestamp(moment_ms / 1000, UTC)
    return 12 * moment.year + moment.month - 1


def _opening_of(month: int) -> int:
    return int(datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp()) * 1000


def _generated(query: KlinesQuery, end_ms: int, duration_ms: int, now_ms: int) -> list[str]:
    anchor_ms = _MONDAY_MS if query.interval == "1w" else 0
    last_bar = (end_ms - anchor_ms) // duration_ms
    first_bar = last_bar - query.limit + 1
    if query.start_ms is not None:
        first_bar = -((anchor_ms - query.start_ms) // duration_ms)
    count = min(query.limit, last_bar - first_bar + 1)
    if count <= 0:
        return []
    return generated_rows(query.symbol, anchor_ms + first_bar * duration_ms, count, duration_ms, now_ms)
