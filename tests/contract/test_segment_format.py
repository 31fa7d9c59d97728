"""The specification is enough to read by, and what was written once is readable for ever."""

from __future__ import annotations

import json
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from adapters.candle_store.format.segment import Segment, encode
from adapters.grids import calendar_grid
from domain.candles.candles import Candles, RawCandles
from domain.candles.dataset import Dataset, Interval
from domain.candles.history import CandleHistory
from domain.candles.listings import Listing
from domain.candles.span_states import NO_STATES, STATES, SpanStates
from domain.spans.calendar_grid import CalendarGrid
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan
from tests.contract import segment_reader
from tests.segment_examples import build_revised, calendar_segments, decode, segments

GOLDEN = Path(__file__).parents[1] / "golden"
MINUTE_MS = 60_000
MARCH_MS = 1_709_251_200_000
MOMENTS = (999, 1000, 2999)


def as_bits(columns: dict[str, Any]) -> dict[str, list[int]]:
    """Columns as whole numbers, floats by their patterns: NaN is then the same as itself."""
    return {
        name: [int(value) if isinstance(value, int | np.integer) else segment_reader.bits(value) for value in column]
        for name, column in columns.items()
    }


def described(found: segment_reader.ReadSegment) -> dict[str, Any]:
    """All that a file says, as JSON takes it."""
    return {
        "dataset": list(found.dataset),
        "asked": [list(span) for span in found.asked],
        "provisional": [list(span) for span in found.provisional],
        "bars": as_bits(found.bars),
        "known": [list(piece) for piece in found.known],
        "replaced": as_bits(found.replaced),
        "as_known_at": {str(moment): as_bits(found.as_of(moment)) for moment in MOMENTS},
        **{name: [list(span) for span in spans] for name, spans in found.states.items()},
        **({"listings": found.listings} if found.listings else {}),
        **({"sources": {name: [*map(list, runs)] for name, runs in found.sources.items()}} if found.sources else {}),
    }


def told_by_us(segment: Segment) -> dict[str, Any]:
    """The same from our own objects."""
    dataset, history = segment.dataset, segment.history
    then = {str(moment): history.as_of(moment) for moment in MOMENTS}
    return {
        "dataset": list(dataset.identity),
        "asked": [[span.start_ms, span.end_ms] for span in history.known.spans],
        "provisional": [[span.start_ms, span.end_ms] for span in history.provisional],
        "bars": listed(history.candles),
        "known": [list(piece) for piece in zip(*(edge.tolist() for edge in history.known.columns()), strict=True)],
        "replaced": {"replaced_at_ms": history.replaced.replaced_at_ms.tolist(), **listed(history.replaced.bars)}
        if len(history.replaced)
        else {},
        "as_known_at": {moment: listed(candles) if len(candles) else {} for moment, candles in then.items()},
        **{name: edges_of(spans) for name, spans in zip(STATES, history.states.all(), strict=True) if spans},
        **({"listings": [list(astuple(one)) for one in history.listings]} if history.listings else {}),
        **({"sources": {name: edges_of(runs) for name, runs in history.sources.runs}} if history.sources else {}),
    }


def edges_of(spans: SpanSet) -> list[list[int]]:
    return [[span.start_ms, span.end_ms] for span in spans]


def listed(bars: RawCandles) -> dict[str, list[int]]:
    return {name: column.view(np.int64).tolist() for name, column in bars.columns().items()}


@given(segment=segments() | calendar_segments())
@settings(max_examples=60, deadline=None)
def test_a_reader_written_from_the_specification_reads_what_we_write(
    segment: Segment, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.candles"
    path.write_bytes(encode(segment))
    found = described(segment_reader.read(path))
    expected = told_by_us(segment)
    found.pop("as_known_at"), expected.pop("as_known_at")
    assert found == expected


def test_that_reader_refuses_a_damaged_file_too(tmp_path: Path) -> None:
    path = tmp_path / "damaged.candles"
    data = bytearray(encode(build_revised()))
    data[-20] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="damaged"):
        segment_reader.read(path)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.candles")), ids=lambda path: path.name)
def test_a_file_of_any_released_version_reads_as_it_did_when_it_was_written(path: Path) -> None:
    expected = json.loads(path.with_suffix(".json").read_text())
    assert told_by_us(decode(path.read_bytes(), str(path))) == expected
    assert described(segment_reader.read(path)) == expected


def golden_segment() -> Segment:
    """Bars of two sessions with what real feeds have: noise, a missing column, a late bar, revisions, odd floats.

    `python -m tests.contract.test_segment_format` wrote the golden file from it, once, as from those below.
    """
    dataset = Dataset.fixed("binance", "BRK/B ü", Interval("1m"), "split", anchor_ms=MARCH_MS % MINUTE_MS)
    rng = np.random.default_rng(20240301)
    history = CandleHistory(dataset.grid)
    for first, skipped, as_of_ms in ((0, 7, 1000), (100, 150, 1500)):
        span = TimeSpan(MARCH_MS + first * MINUTE_MS, MARCH_MS + (first + 60) * MINUTE_MS)
        whole = _bars(rng, first)
        history = history.with_answer(
            span, whole.take(whole.open_time_ms != MARCH_MS + skipped * MINUTE_MS), None, as_of_ms
        )
    late = TimeSpan(MARCH_MS, MARCH_MS + 10 * MINUTE_MS)
    history = history.with_answer(late, _bars(rng, 0).within(late), None, 2000)
    odd = _bars(rng, 155).take(slice(0, 5)).columns()
    odd["volume"] = np.array([-0.0, np.nan, np.inf, 0.0016200000000000001, 5e-324])
    del odd["vwap"]
    last = TimeSpan(MARCH_MS + 155 * MINUTE_MS, MARCH_MS + 165 * MINUTE_MS)
    return Segment(dataset, history.with_answer(last, Candles.from_columns(odd), MARCH_MS + 158 * MINUTE_MS, 3000))


def _bars(rng: np.random.Generator, first: int) -> Candles:
    times = MARCH_MS + (first + np.arange(60, dtype=np.int64)) * MINUTE_MS
    closes = np.round(411.5 + np.cumsum(rng.normal(0, 0.2, 60)), 2)
    opens = np.round(closes + rng.normal(0, 0.1, 60), 2)
    high, low = np.maximum(opens, closes) + 0.25, np.minimum(opens, closes) - 0.1
    volume = np.round(rng.lognormal(3, 1, 60), 5)
    extras = {
        "quote_volume": np.round(volume * closes, 7),
        "trade_count": rng.integers(1, 5000, 60),
        "vwap": np.round((high + low) / 2, 4),
    }
    return Candles(times, opens, high, low, closes, volume, extras)


def golden_segment_with_states() -> Segment:
    """The same bars with every state, listings and a source: in keys that the first readers of version 2 ignore."""
    dataset, history = golden_segment().dataset, golden_segment().history
    minutes = [TimeSpan(MARCH_MS + at * MINUTE_MS, MARCH_MS + (at + 4) * MINUTE_MS) for at in range(200, 230, 5)]
    told = SpanStates(*(SpanSet([minute]) for minute in minutes))
    span = TimeSpan(MARCH_MS + 198 * MINUTE_MS, MARCH_MS + 240 * MINUTE_MS)
    bars = _bars(np.random.default_rng(3), 230).take(slice(0, 6))
    history = history.with_answer(span, bars, span.end_ms - MINUTE_MS, 4000, told, "archive")
    history = history.with_listing(Listing("memory: symbols", 4100, MARCH_MS)).with_listing(Listing("a person", 4200))
    return Segment(dataset, history)


def golden_days_of_new_york() -> Segment:
    """Both changes of the clock, a holiday, a revision, a day that may still change, and states."""
    grid = calendar_grid(Interval("1d"), "America/New_York", years=(2024, 2025))
    history = CandleHistory(grid)
    for first, last, skipped, as_of_ms in ((60, 90, 75, 1000), (300, 320, 310, 1500)):
        bars = _days(grid, first, last)
        span = TimeSpan(*grid.edges(np.array([first, last])).tolist())
        history = history.with_answer(span, bars.take(np.arange(first, last) != skipped), None, as_of_ms)
    again = TimeSpan(*grid.edges(np.array([318, 325])).tolist())
    states = SpanStates(doubtful=SpanSet([TimeSpan(*grid.edges(np.array([322, 323])).tolist())]))
    changed = _days(grid, 318, 322, 2.0)
    history = history.with_answer(again, changed, int(grid.starts_ms[324]), 2000, states)
    dataset = Dataset("memory", "EUR/USD", Interval("1d"), "price=mid", grid)
    return Segment(dataset, history)


def golden_months() -> Segment:
    """Months as Binance has them."""
    grid = calendar_grid(Interval("1M"), years=(2023, 2025))
    bars = _days(grid, 3, 20)
    asked = TimeSpan(*grid.edges(np.array([2, 24])).tolist())
    history = CandleHistory(grid).with_answer(asked, bars, int(grid.starts_ms[23]), 1000, NO_STATES, "rest")
    return Segment(Dataset("binance", "BTCUSDT", Interval("1M"), grid=grid), history)


def _days(grid: CalendarGrid, first: int, last: int, more: float = 0.0) -> Candles:
    closes = 100.0 + more + np.arange(first, last) / 8
    return Candles(grid.starts_ms[first:last], closes, closes + 1, closes - 1, closes, np.arange(first, last) / 4)


GOLDEN_SEGMENTS = {
    "segment_2": golden_segment,
    "segment_2_states": golden_segment_with_states,
    "segment_3_days": golden_days_of_new_york,
    "segment_3_months": golden_months,
}


@pytest.mark.parametrize("name", GOLDEN_SEGMENTS)
def test_what_is_written_today_says_what_the_golden_file_says(name: str) -> None:
    written = told_by_us(decode(encode(GOLDEN_SEGMENTS[name]()), name))
    assert written == json.loads((GOLDEN / f"{name}.json").read_text())


if __name__ == "__main__":
    for name, make in GOLDEN_SEGMENTS.items():
        target = GOLDEN / f"{name}.candles"
        if not target.exists():
            target.write_bytes(encode(make()))
            target.with_suffix(".json").write_text(json.dumps(told_by_us(make())) + "\n")
