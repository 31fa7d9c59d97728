"""Recorded candles: daily bars of five US stocks, as they were traded."""

from __future__ import annotations

import csv
import gzip
import importlib.resources
import importlib.util
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache

DAY_MS = 86_400_000
_PACKAGE = "bokeh_sampledata"


@dataclass(slots=True)
class RecordedSymbol:
    """One symbol's days: opening times in order, and its klines as JSON texts."""

    opens_ms: list[int] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)

    def page(self, start_ms: int | None, end_ms: int, limit: int) -> list[str]:
        """Days that open in the closed [start, end], the first of them; without a start, the last of them."""
        return self.rows[self._chosen(start_ms, end_ms, limit)]

    def days(self, start_ms: int | None, end_ms: int, limit: int) -> list[int]:
        """The openings of that page's days."""
        return self.opens_ms[self._chosen(start_ms, end_ms, limit)]

    def _chosen(self, start_ms: int | None, end_ms: int, limit: int) -> slice:
        last = bisect_right(self.opens_ms, end_ms)
        first = max(0, last - limit) if start_ms is None else bisect_left(self.opens_ms, start_ms)
        return slice(first, min(last, first + limit))


@cache
def load_recorded() -> dict[str, RecordedSymbol]:
    """AAPL, FB, GOOG, IBM and MSFT from 2000-03-01 to 2013-03-01; nothing where the package is not installed.

    Unadjusted, without weekends and holidays, with all their oddities. Quote volumes, trade counts and taker volumes
    were not recorded and are zero. Source: the package bokeh-sampledata (BSD-3-Clause), whose licences/datasets.json
    gives these prices as public domain: Quandl WIKI Prices, free to copy and to include in products.
    """
    if importlib.util.find_spec(_PACKAGE) is None:
        return {}
    symbols: dict[str, RecordedSymbol] = {}
    compressed = importlib.resources.files(_PACKAGE).joinpath("_data/stocks.csv.gz").read_bytes()
    for line in csv.DictReader(gzip.decompress(compressed).decode().splitlines()):
        recorded = symbols.setdefault(line["Ticker"], RecordedSymbol())
        open_ms = int(datetime.fromisoformat(line["Date"]).replace(tzinfo=UTC).timestamp() * 1000)
        recorded.opens_ms.append(open_ms)
        recorded.rows.append(_row(open_ms, line))
    return symbols


def _row(open_ms: int, line: dict[str, str]) -> str:
    prices = ",".join(f'"{float(line[name]):.8f}"' for name in ("Open", "High", "Low", "Close", "Volume"))
    zero = '"0.00000000"'
    return f'[{open_ms},{prices},{open_ms + DAY_MS - 1},{zero},0,{zero},{zero},"0"]'
