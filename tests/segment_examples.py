"""Segments for tests: any that answers can make, and small ones made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from adapters.candle_store.format.scratch import Scratch
from adapters.candle_store.format.segment import PackedSegment, Segment
from adapters.grids import calendar_grid
from domain.candles.candles import CORE_COLUMNS, Candles, Column
from domain.candles.dataset import Dataset, Interval
from domain.candles.history import CandleHistory
from domain.candles.known_spans import KnownSpans
from domain.candles.span_states import NO_STATES, STATES, SpanStates
from domain.spans.grid import Grid
from domain.spans.time_span import TimeSpan

MINUTE_MS = 60_000
ANCHOR_MS = -30_000
DATASET = Dataset.fixed("memory", "BRK/B ü", Interval("1m"), "split", ANCHOR_MS)
NEW_YORK_DAYS = calendar_grid(Interval("1d"), "America/New_York", years=(2024, 2025))
int64s = st.integers(-(2**63), 2**63 - 1)
decimals = st.builds(lambda number, places: number / 10**places, st.integers(-(10**15), 10**15), st.integers(0, 12))
odd_floats = st.sampled_from([0.0, -0.0, np.nan, np.inf, -np.inf, 5e-324, 1.7e308, 0.0016200000000000001, 2.0**53])


def decode(data: bytes, path: str) -> Segment:
    """All that a file says, read in both ways: as a history, and as candles that are written where they are wanted."""
    packed = PackedSegment(data, path, Scratch())
    history = packed.history()
    assert Candles.from_columns(packed.columns()).identical(history.candles)
    return Segment(packed.header.dataset, history)


def span(first: int, end: int) -> TimeSpan:
    """Minutes on the dataset's grid."""
    return TimeSpan(ANCHOR_MS + first * MINUTE_MS, ANCHOR_MS + end * MINUTE_MS)


@st.composite
def floats(draw: st.DrawFn, length: int) -> Column:
    """Any 64 bits are a float, NaN payloads and subnormals included; most floats are decimals, though."""
    bits = int64s.map(lambda number: float(np.array(number, np.int64).view(np.float64)))
    kind = draw(st.sampled_from([bits, decimals, decimals | odd_floats, st.integers(0, 10**6).map(float)]))
    values = draw(st.lists(kind, min_size=length, max_size=length))
    if draw(st.booleans()):
        return np.array(draw(st.lists(int64s, min_size=length, max_size=length)), np.int64).view(np.float64)
    return np.array(values, np.float64)


@st.composite
def candles(draw: st.DrawFn, first: int, last: int) -> Candles:
    positions = sorted(draw(st.sets(st.integers(first, last - 1), max_size=12)))
    times = np.array(positions, np.int64) * MINUTE_MS + ANCHOR_MS
    names = (*CORE_COLUMNS, *draw(st.permutations(["quote_volume", "vwap", "taker_buy_quote_volume"])))
    columns: dict[str, Column] = {"open_time_ms": times}
    for name in names[: draw(st.integers(5, 8))]:
        columns[name] = draw(floats(len(times)))
    columns["trades"] = np.array(draw(st.lists(int64s, min_size=len(times), max_size=len(times))), np.int64)
    return Candles.from_columns(columns)


@st.composite
def span_states(draw: st.DrawFn, grid: Grid, first_ms: int, last: int) -> SpanStates:
    """Some of so many bars, each in one state."""
    edges = grid.edges(grid.positions(np.array([first_ms], np.int64)) + np.arange(last + 1))
    chosen = draw(st.dictionaries(st.integers(0, last - 1), st.sampled_from(STATES), max_size=5)) if last else {}
    return SpanStates(
        **{name: grid.runs_of(edges[sorted(at for at, state in chosen.items() if state == name)]) for name in STATES}
    )


@st.composite
def segments(draw: st.DrawFn) -> Segment:
    """What up to three answers, each later and some of them provisional, make of an empty file."""
    history = CandleHistory(DATASET.grid)
    for as_of_ms in sorted(draw(st.lists(int64s.filter(lambda number: abs(number) < 2**62), max_size=3))):
        first, last = sorted((draw(st.integers(-9, 9)), draw(st.integers(-9, 9))))
        bars = draw(candles(first, last)) if last > first else Candles.empty()
        provisional_from_ms = draw(st.none() | st.integers(first, last).map(lambda at: span(at, at).start_ms))
        states = draw(st.just(NO_STATES) | span_states(DATASET.grid, span(first, first).start_ms, last - first))
        source = draw(st.sampled_from(["", "rest", "archive"]))
        history = history.with_answer(span(first, last), bars, provisional_from_ms, as_of_ms, states, source)
    return Segment(DATASET, history)


@st.composite
def calendar_segments(draw: st.DrawFn) -> Segment:
    """The same of days of New York, about a change of its clocks."""
    grid, history = NEW_YORK_DAYS, CandleHistory(NEW_YORK_DAYS)
    for as_of_ms in sorted(draw(st.lists(st.integers(0, 2**40), max_size=3))):
        first, last = sorted((draw(st.integers(60, 80)), draw(st.integers(60, 80))))
        asked = TimeSpan(*grid.edges(np.array([first, last])).tolist())
        chosen = sorted(draw(st.sets(st.integers(first, last - 1)))) if last > first else []
        values = draw(floats(len(chosen)))
        bars = Candles(grid.starts_ms[chosen], *[values.view(np.float64)] * 5)
        provisional_from_ms = draw(st.none() | st.integers(first, last).map(lambda at: int(grid.starts_ms[at])))
        states = draw(st.just(NO_STATES) | span_states(grid, asked.start_ms, last - first))
        history = history.with_answer(asked, bars, provisional_from_ms, as_of_ms, states)
    return Segment(Dataset("memory", "A", Interval("1d"), grid=grid), history)


def build(bars: int = 5, spans: Sequence[TimeSpan] = (span(0, 20),)) -> Segment:
    column = np.linspace(1.0, 2.0, bars)
    times = np.arange(bars) * MINUTE_MS + ANCHOR_MS
    found = Candles(times, column, column, column, column, column)
    return Segment(DATASET, CandleHistory(DATASET.grid, KnownSpans.of(spans, 7), (), found))


def build_revised() -> Segment:
    """Three bars, one of them replaced twice, the last two minutes provisional."""
    history = CandleHistory(DATASET.grid)
    for as_of_ms, value in ((1, 1.0), (2, 2.0), (3, 3.0)):
        bars = build(3).history.candles
        changed = Candles.from_columns({**bars.columns(), "close": np.array([1.0, value, 1.0])})
        history = history.with_answer(span(0, 5), changed, span(3, 3).start_ms, as_of_ms)
    return Segment(DATASET, history)
