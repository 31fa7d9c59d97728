"""The truth about made-up markets: bars as plain columns, independent of gateways and exchanges."""

from __future__ import annotations

import csv
import gzip
import importlib.resources
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from domain.candles.candles import Candles
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan, to_milliseconds

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

SPAN = TimeSpan.between(datetime(2023, 11, 7, 12, tzinfo=UTC), datetime(2024, 2, 20, 9, tzinfo=UTC))


def weekends(span: TimeSpan) -> SpanSet:
    """Every Saturday and Sunday that lies in the span, in UTC."""
    first_day, last_day = (moment_ms // DAY_MS for moment_ms in (span.start_ms, span.end_ms))
    saturdays = [day for day in range(first_day, last_day) if (day + 4) % 7 == 6]  # 1970-01-01 was a Thursday
    return SpanSet(TimeSpan(day * DAY_MS, (day + 2) * DAY_MS) for day in saturdays)


def new_york_midnights(first: date, days: int) -> list[datetime]:
    """When days begin in New York: 23 to 25 hours lie between two of them."""
    zone = ZoneInfo("America/New_York")
    return [datetime.combine(first + timedelta(day), time(), zone).astimezone(UTC) for day in range(days)]


def candles_at(openings: np.ndarray, seed: int) -> Candles:
    """Valid bars with prices without a pattern."""
    source = np.random.default_rng(seed)
    low, high = np.sort(source.uniform(50, 150, (2, len(openings))), axis=0).round(4)
    first, last = (low + (high - low) * source.uniform(0, 1, len(openings)) for _ in range(2))
    return Candles(openings.astype(np.int64), first, high, low, last, source.uniform(1, 1e6, len(openings)).round(2))


def hourly_market(closed: SpanSet, *symbols: str) -> dict[str, Candles]:
    """Hourly bars of SPAN without its closures."""
    openings = np.arange(SPAN.start_ms, SPAN.end_ms, HOUR_MS, dtype=np.int64)
    for one in closed:
        openings = openings[(openings < one.start_ms) | (openings >= one.end_ms)]
    return market(openings, *symbols)


def market(openings: np.ndarray, *symbols: str) -> dict[str, Candles]:
    """Bars of each symbol at these openings; the first symbol is listed after a third of them."""
    found = {}
    for seed, symbol in enumerate(symbols):
        chosen = openings[len(openings) // 3 :] if seed == 0 else openings
        found[symbol] = candles_at(chosen, seed)
    return found


def recorded_days() -> dict[str, Candles]:
    """The daily bars of five US stocks as they were published: unadjusted, without trade counts."""
    table = importlib.resources.files("bokeh_sampledata").joinpath("_data/stocks.csv.gz").read_bytes()
    days: dict[str, list[list[float]]] = {}
    for line in csv.DictReader(gzip.decompress(table).decode().splitlines()):
        opens_ms = to_milliseconds(datetime.fromisoformat(line["Date"]).replace(tzinfo=UTC))
        values = [float(line[name]) for name in ("Open", "High", "Low", "Close", "Volume")]
        days.setdefault(line["Ticker"], []).append([opens_ms, *values])
    return {symbol: candles_of(rows) for symbol, rows in days.items()}


def candles_of(rows: list[list[float]]) -> Candles:
    """Rows of an opening, four prices and a volume, as candles."""
    opens, *values = (np.array(column) for column in zip(*rows, strict=True))
    return Candles(opens.astype(np.int64), *values)


def days_without_bars(truth: dict[str, Candles]) -> SpanSet:
    """The days between the first and the last on which no symbol has a bar."""
    days = np.unique(np.concatenate([candles.open_time_ms for candles in truth.values()])).tolist()
    open_days = SpanSet(TimeSpan(day, day + DAY_MS) for day in days)
    return SpanSet([open_days.extent]) - open_days
