"""How many candles a second are validated: clean pages, as nearly all are, and pages with a bad bar."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from benchmarks.tables import Table
from domain.candles.candles import RawCandles
from domain.candles.coverage import Coverage
from domain.candles.dataset import Dataset, Interval
from domain.candles.sessions import AlwaysOpen
from domain.candles.truncation import TruncationCheck
from domain.candles.validation import ValidatedCandles, validate
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan

DATASET = Dataset("memory", "A", Interval("1m"))
MINUTE_MS = 60_000
FAR_FUTURE_MS = 2**53


def measure(seconds: float) -> Table:
    """Validate each kind of page for so long, in turns."""
    clean = {bars: _page(bars) for bars in (1_000, 100_000)}
    one_bad = _page(1_000)
    one_bad.volume[500] = -1.0
    contenders: dict[str, tuple[int, Callable[[], object]]] = {
        "clean page of 1,000": (1_000, lambda: _judge(clean[1_000])),
        "clean page of 100,000": (100_000, lambda: _judge(clean[100_000])),
        "page of 1,000 with one bad bar": (1_000, lambda: _judge(one_bad)),
        "clean page of 1,000, compared with a calendar": (1_000, lambda: _judge_and_check(clean[1_000])),
    }
    rows = [
        (name, f"{1e6 * median:.0f} µs", f"{bars / median / 1e6:.1f}")
        for name, (bars, judge) in contenders.items()
        for median in [_median_seconds(judge, seconds)]
    ]
    note = (
        "Nine columns of values a bar; medians. The last row adds what is looked for in every answer: bars that were "
        "left out, and bars that the calendar does not expect."
    )
    return Table("Validation", ("page", "time", "million bars/s"), rows, note)


def _median_seconds(judge: Callable[[], object], seconds: float) -> float:
    times: list[float] = []
    ends_at = time.perf_counter() + seconds
    judge()
    while time.perf_counter() < ends_at:
        began_at = time.perf_counter()
        judge()
        times.append(time.perf_counter() - began_at)
    return statistics.median(times)


def _judge(page: RawCandles) -> ValidatedCandles:
    return validate(page, DATASET, TimeSpan(0, len(page) * MINUTE_MS), FAR_FUTURE_MS)


def _judge_and_check(page: RawCandles) -> dict[str, int]:
    answer = _judge(page)
    return _CHECK.findings(answer) if _CHECK.doubtful(answer) is None else {}


async def _never(_: TimeSpan) -> ValidatedCandles:
    raise AssertionError("a clean page is not requested again")


_SPAN = TimeSpan(0, 1_000 * MINUTE_MS)
_CHECK = TruncationCheck(AlwaysOpen(), DATASET, Coverage(_SPAN), SpanSet([_SPAN]), _SPAN.duration_ms, _never)


def _page(bars: int) -> RawCandles:
    source = np.random.default_rng(1)
    openings = np.arange(bars, dtype=np.int64) * MINUTE_MS
    opening = 100 + 0.01 * source.normal(size=bars).cumsum()
    closing = opening + 0.01 * source.normal(size=bars)
    extras = {name: source.random(bars) for name in ("quote_volume", "taker_buy_base_volume", "taker_buy_quote_volume")}
    return RawCandles(
        openings,
        opening,
        np.maximum(opening, closing) + 0.01,
        np.minimum(opening, closing) - 0.01,
        closing,
        source.random(bars),
        {**extras, "trade_count": np.arange(bars, dtype=np.int64)},
    )
