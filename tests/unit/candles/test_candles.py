"""Candles, Interval and Dataset: the laws of columns and grids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.candles.candles import Candles, RawCandles
from domain.candles.dataset import Dataset, Interval
from domain.spans.calendar_grid import CalendarGrid
from domain.spans.grid import FixedGrid
from domain.spans.time_span import TimeSpan

MINUTE_MS = 60_000


def build(bars: dict[int, float], extra: str | None = None) -> Candles:
    times = np.array(sorted(bars), np.int64)
    values = np.array([bars[time] for time in times.tolist()], np.float64)
    return Candles(times, values, values, values, values, values, {extra: values} if extra else {})


def as_dict(candles: Candles) -> dict[int, float]:
    return dict(zip(candles.open_time_ms.tolist(), candles.close.tolist(), strict=True))


bars = st.dictionaries(st.integers(-20, 20), st.floats(0, 9))
datasets = st.builds(
    Dataset.fixed,
    st.just("memory"),
    st.just("A"),
    st.sampled_from([Interval("1s"), Interval("7m"), Interval("1d"), Interval("2w")]),
    anchor_ms=st.integers(-(10**10), 10**10),
)


@given(bars, bars)
def test_a_merge_is_a_dictionary_update(older: dict[int, float], newer: dict[int, float]) -> None:
    assert as_dict(build(older).merge(build(newer))) == {**older, **newer}


@given(bars, st.integers(-20, 20), st.integers(0, 30))
def test_within_keeps_the_openings_of_the_half_open_span(bars: dict[int, float], start: int, length: int) -> None:
    span = TimeSpan(start, start + length)
    kept = build(bars).within(span)
    assert as_dict(kept) == {time: value for time, value in bars.items() if time in span}


@given(bars, st.integers(-20, 20))
def test_parts_that_follow_each_other_make_up_the_whole(bars: dict[int, float], cut: int) -> None:
    whole = build(bars, extra="trades_value")
    parts = [whole.within(TimeSpan(-100, cut)), whole.within(TimeSpan(cut, 100))]
    assert as_dict(Candles.concatenate(parts)) == bars


def test_parts_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match="each opening once"):
        Candles.concatenate([build({1: 1.0, 3: 3.0}), build({2: 2.0})])


def test_a_column_only_one_side_has_is_nan_or_zero_for_the_other() -> None:
    newer = build({2: 2.0})
    newer = Candles.from_columns({**newer.columns(), "trades": np.array([7]), "vwap": np.array([2.5])})
    merged = build({1: 1.0}).merge(newer).columns()
    assert merged["trades"].tolist() == [0, 7]
    np.testing.assert_array_equal(merged["vwap"], [np.nan, 2.5])


def test_identical_tells_negative_zero_from_zero_and_finds_nan_equal_to_itself() -> None:
    assert build({1: float("nan")}).identical(build({1: float("nan")}))
    assert not build({1: 0.0}).identical(build({1: -0.0}))
    assert not build({1: 0.0}).identical(build({1: 0.0}, extra="vwap"))


@pytest.mark.parametrize("times", [[2, 1], [1, 1]])
def test_candles_out_of_order_or_repeated_are_refused(times: list[int]) -> None:
    column = np.ones(2)
    with pytest.raises(ValueError, match="sorted by open_time_ms"):
        Candles(np.array(times, np.int64), column, column, column, column, column)


def test_raw_candles_take_any_order() -> None:
    column = np.ones(2)
    assert len(RawCandles(np.array([2, 2], np.int64), column, column, column, column, column)) == 2


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"close": np.ones(3)}, "column close has shape"),
        ({"volume": np.ones(2, np.int64)}, "volume must be float64"),
        ({"open_time_ms": np.ones(2)}, "open_time_ms must be int64"),
        ({"extras": {"trades": np.ones(2, np.int32)}}, "trades must be float64"),
        ({"extras": {"open": np.ones(2)}}, "cannot be named open"),
    ],
)
def test_columns_of_another_shape_type_or_taken_name_are_refused(changed: dict[str, object], message: str) -> None:
    columns = {name: np.ones(2) for name in ("open", "high", "low", "close", "volume")}
    with pytest.raises(ValueError, match=message):
        RawCandles(**{"open_time_ms": np.arange(2), **columns, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "duration_ms"), [("1m", MINUTE_MS), ("4h", 240 * MINUTE_MS), ("1w", 604_800_000)])
def test_an_interval_has_the_length_its_name_says(name: str, duration_ms: int) -> None:
    assert Interval(name).duration_ms == duration_ms


@pytest.mark.parametrize("name", ["", "m", "0m", "1", "-1m", "1.5h", "1m "])
def test_what_is_no_interval_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not an interval"):
        Interval(name)


def test_months_have_no_length_of_their_own() -> None:
    with pytest.raises(ValueError, match="1M bars have no fixed length"):
        Dataset("memory", "A", Interval("1M"))


@pytest.mark.parametrize("name", ["1d", "1d@", "1d@-600", "1w@America/New_York", "1w"])
def test_a_calendar_grid_has_a_name_that_no_fixed_one_could_be_taken_for(name: str) -> None:
    with pytest.raises(ValueError, match="no name of a calendar grid of 1d bars"):
        Dataset("memory", "A", Interval("1d"), grid=CalendarGrid.of(name, [0, 10], 20))


def test_the_variant_that_is_stored_for_none_is_refused() -> None:
    assert Dataset("memory", "A", Interval("1d")).identity == ("memory", "A", "1d", "raw", 0)
    with pytest.raises(ValueError, match='write ""'):
        Dataset("memory", "A", Interval("1d"), "raw")


def test_a_fixed_grid_has_bars_of_the_interval() -> None:
    with pytest.raises(ValueError, match="no 1d bars"):
        Dataset("memory", "A", Interval("1d"), grid=FixedGrid(1000))


@given(datasets, st.integers(-(10**13), 10**13))
def test_floor_and_ceiling_are_the_nearest_openings(dataset: Dataset, moment_ms: int) -> None:
    duration_ms = dataset.interval.duration_ms
    floor_ms, ceil_ms = dataset.floor_ms(moment_ms), dataset.ceil_ms(moment_ms)
    assert floor_ms <= moment_ms <= ceil_ms
    assert dataset.grid.are_openings(np.array([floor_ms])).all()
    assert ceil_ms - floor_ms == (0 if floor_ms == moment_ms else duration_ms)


@given(datasets, st.integers(-(10**13), 10**13), st.integers(0, 10**11))
def test_aligning_a_span_keeps_its_openings_and_puts_both_ends_on_the_grid(
    dataset: Dataset, start_ms: int, length_ms: int
) -> None:
    span = TimeSpan(start_ms, start_ms + length_ms)
    aligned = dataset.align(span)
    assert dataset.align(aligned) == aligned
    first_ms = dataset.ceil_ms(span.start_ms)
    expected = max(0, -((first_ms - span.end_ms) // dataset.interval.duration_ms))
    assert dataset.bars_in(span) == expected == aligned.duration_ms / dataset.interval.duration_ms
