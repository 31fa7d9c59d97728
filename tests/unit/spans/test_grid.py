"""Grids: floor, ceil, next, count and openings agree with each other and with a plain list of bars."""

from __future__ import annotations

import pickle
from bisect import bisect_left, bisect_right

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.grids import calendar_grid
from domain.candles.dataset import Interval
from domain.spans.calendar_grid import CalendarGrid
from domain.spans.grid import ALL_TIME, FixedGrid, Grid
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
YEARS = (2023, 2026)
NEW_YORK = "America/New_York"
CALENDARS = [
    calendar_grid(Interval("1d"), NEW_YORK, years=YEARS),
    calendar_grid(Interval("1d"), NEW_YORK, day_starts_at=17, years=YEARS),
    calendar_grid(Interval("1w"), NEW_YORK, day_starts_at=17, week_starts_on="friday", years=YEARS),
    calendar_grid(Interval("1M"), years=YEARS),
    calendar_grid(Interval("3M"), NEW_YORK, years=YEARS),
    calendar_grid(Interval("4h"), NEW_YORK, day_starts_at=17, years=YEARS),
    calendar_grid(Interval("2h"), "Australia/Lord_Howe", years=YEARS),
]
FIXED = [FixedGrid(7), FixedGrid(60_000, -30_000), FixedGrid(7 * DAY_MS, 345_600_000)]
grids = st.sampled_from([*CALENDARS, *FIXED])
places = st.integers(0, 300)
offsets = st.sampled_from([-1, 0, 0, 1, 1234])


def plain_edges(grid: Grid) -> list[int]:
    """The edges of three hundred bars, one by one."""
    if isinstance(grid, CalendarGrid):
        return [*grid.starts_ms.tolist(), grid.known.end_ms][:300]
    assert isinstance(grid, FixedGrid)
    return [grid.anchor_ms + number * grid.step_ms for number in range(-150, 150)]


def moment_of(edges: list[int], place: int, offset_ms: int) -> int:
    """A moment on an edge or beside it, always inside."""
    return max(edges[0], min(edges[place % len(edges)] + offset_ms, edges[-1] - 1))


@given(grids, places, offsets)
def test_floor_ceil_and_next_are_the_edges_around_a_moment(grid: Grid, place: int, offset_ms: int) -> None:
    edges = plain_edges(grid)
    moment_ms = moment_of(edges, place, offset_ms)
    assert grid.floor(moment_ms) == edges[bisect_right(edges, moment_ms) - 1]
    assert grid.ceil(moment_ms) == edges[bisect_left(edges, moment_ms)]
    assert grid.next(moment_ms) == edges[bisect_right(edges, moment_ms)]
    moments = np.array([moment_ms], np.int64)
    assert grid.floors(moments).tolist() == [grid.floor(moment_ms)]
    assert grid.ends(moments).tolist() == [grid.next(moment_ms)]
    assert grid.are_openings(moments).tolist() == [moment_ms in edges]


@given(grids, st.lists(st.tuples(places, offsets, places, offsets), max_size=4))
def test_count_openings_and_runs_tell_the_same_bars(grid: Grid, pairs: list[tuple[int, int, int, int]]) -> None:
    edges = plain_edges(grid)
    asked = [sorted((moment_of(edges, one, here), moment_of(edges, other, there))) for one, here, other, there in pairs]
    spans = SpanSet(grid.align(TimeSpan(start_ms, end_ms)) for start_ms, end_ms in asked)
    expected = [edge for edge in edges if any(start_ms <= edge < end_ms for start_ms, end_ms in asked)]
    assert grid.openings(spans).tolist() == expected
    assert grid.count(spans) == len(expected)
    assert grid.runs_of(grid.openings(spans)) == spans
    assert all(grid.align(span) == span for span in spans)


@given(grids, st.sets(places))
def test_runs_of_any_openings_hold_these_and_no_others(grid: Grid, chosen: set[int]) -> None:
    edges = plain_edges(grid)[:-1]
    openings = np.array(sorted({edges[place % len(edges)] for place in chosen}), np.int64)
    assert np.array_equal(grid.openings(grid.runs_of(openings)), openings)


@given(grids, places, places)
def test_edges_differ_by_the_bars_between_them_and_come_back_from_their_positions(
    grid: Grid, one: int, other: int
) -> None:
    edges = plain_edges(grid)
    pair = np.array(sorted(edges[place % len(edges)] for place in (one, other)), np.int64)
    first, last = grid.positions(pair).tolist()
    assert last - first == grid.count([TimeSpan(*pair.tolist())])
    assert np.array_equal(grid.edges(np.array([first, last])), pair)


def hours_of(grid: CalendarGrid, date: str) -> list[int]:
    """How long the bars are that open from that midnight UTC on, a day and a half."""
    start_ms = int(np.datetime64(date, "ms").astype(np.int64))
    inside = (grid.starts_ms >= start_ms) & (grid.starts_ms < start_ms + 36 * HOUR_MS)
    return ((grid.ends_ms - grid.starts_ms)[inside] // HOUR_MS).tolist()


def test_days_of_new_york_are_of_23_and_25_hours_when_its_clocks_are_changed() -> None:
    midnight, evening = CALENDARS[:2]
    assert hours_of(midnight, "2024-03-10") == [23, 24]
    assert hours_of(midnight, "2024-11-03") == [25, 24]
    assert hours_of(evening, "2024-03-09") == [23]
    assert hours_of(evening, "2024-11-02") == [25]


def test_bars_of_four_hours_are_of_three_and_five_when_the_clocks_are_changed() -> None:
    grid = CALENDARS[5]
    assert 3 in hours_of(grid, "2024-03-10")
    assert 5 in hours_of(grid, "2024-11-03")
    assert set(((grid.ends_ms - grid.starts_ms) // HOUR_MS).tolist()) == {3, 4, 5}


def test_months_are_as_long_as_the_calendar_has_them() -> None:
    days = (CALENDARS[3].ends_ms - CALENDARS[3].starts_ms) // DAY_MS
    assert days[12:24].tolist() == [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]


def test_a_day_that_a_zone_skips_has_no_bar() -> None:
    grid = calendar_grid(Interval("1d"), "Pacific/Apia", years=(2011, 2013))
    assert len(grid.starts_ms) == 365 + 366 - 1


def test_a_day_whose_midnight_is_skipped_opens_when_the_clock_goes_on() -> None:
    grid = calendar_grid(Interval("1d"), "America/Sao_Paulo", years=(2018, 2019))
    opening = int(np.datetime64("2018-11-04T03:00", "ms").astype(np.int64))
    assert (grid.floor(opening), (grid.next(opening) - opening) // HOUR_MS) == (opening, 23)
    hours = calendar_grid(Interval("4h"), "America/Sao_Paulo", years=(2018, 2019))
    assert ((hours.ends_ms - hours.starts_ms)[hours.starts_ms == opening] // HOUR_MS).tolist() == [3]


@pytest.mark.parametrize("call", ["floor", "ceil", "next"])
@pytest.mark.parametrize("moment_ms", [-1, 2**62, 2**45])
def test_a_moment_that_a_calendar_does_not_know_is_refused_in_words(call: str, moment_ms: int) -> None:
    with pytest.raises(ValueError, match=r"the grid 1M knows where bars open in \[2023-01-01T00:00:00Z, 2026-01-01"):
        getattr(CALENDARS[3], call)(moment_ms)


def test_all_of_time_is_as_much_of_it_as_a_calendar_knows() -> None:
    assert CALENDARS[3].align(ALL_TIME) == CALENDARS[3].known
    assert CalendarGrid.unknown("1M").align(ALL_TIME) == TimeSpan(0, 0)
    with pytest.raises(ValueError, match="knows where bars open"):
        CALENDARS[3].align(TimeSpan(0, ALL_TIME.end_ms))


@pytest.mark.parametrize("grid", [*CALENDARS, CalendarGrid.unknown("1M")])
def test_a_calendar_travels_in_few_bytes_and_arrives_whole(grid: CalendarGrid) -> None:
    data = pickle.dumps(grid)
    arrived = pickle.loads(data)
    assert np.array_equal(arrived.starts_ms, grid.starts_ms)
    assert np.array_equal(arrived.ends_ms, grid.ends_ms)
    assert len(data) < 700


def test_two_calendars_of_one_name_are_one_key() -> None:
    narrow = CALENDARS[0].within(TimeSpan(CALENDARS[0].known.start_ms, CALENDARS[0].known.start_ms + 30 * DAY_MS))
    assert {CALENDARS[0]: "known"}[narrow] == "known"
    assert narrow != CALENDARS[1]


def test_what_two_know_of_one_calendar_is_joined_with_the_hole_between() -> None:
    grid = CalendarGrid.of("1d@Nowhere", [0, 10, 25, 30, 40], 55)
    early, late = grid.within(TimeSpan(0, 15)), grid.within(TimeSpan(30, 50))
    both = early.joined(late)
    assert both.runs_of(both.openings([both.known])) == (TimeSpan(0, 25), TimeSpan(30, 55))
    assert pickle.loads(pickle.dumps(both)).packed == both.packed
    with pytest.raises(ValueError, match="knows where bars open"):
        both.floor(27)
    with pytest.raises(ValueError, match="does not know all"):
        both.positions(np.array([0, 30]))
    assert both.joined(grid) is grid
    assert grid.joined(both) is grid
    overlapping = early.joined(grid.within(TimeSpan(10, 45)))
    assert np.array_equal(overlapping.starts_ms, grid.starts_ms)


@pytest.mark.parametrize(
    "other",
    [
        CalendarGrid.of("1d@Nowhere", [0, 11], 25),
        CalendarGrid.of("1d@Nowhere", [30, 40], 50),
        CalendarGrid.of("1d@Nowhere", [5], 10),
        CalendarGrid.of("1d@Elsewhere", [0, 10], 25),
        FixedGrid(10),
    ],
)
def test_calendars_that_have_bars_open_at_different_times_are_not_joined(other: Grid) -> None:
    grid = CalendarGrid.of("1d@Nowhere", [0, 10, 25, 30, 40], 55)
    with pytest.raises(ValueError, match=r"different times|two grids"):
        grid.joined(other)
    with pytest.raises(ValueError, match=r"different times|two grids"):
        other.joined(grid)


def test_bars_out_of_order_are_no_calendar() -> None:
    with pytest.raises(ValueError, match="follow each other"):
        CalendarGrid.of("1M", [10, 0], 20)
    with pytest.raises(ValueError, match="follow each other"):
        CalendarGrid("1M", np.array([0, 10]), np.array([11, 20]))


def test_an_opening_off_the_calendar_belongs_to_no_run() -> None:
    with pytest.raises(ValueError, match="no bar of the grid 1M opens at 1 ms"):
        CalendarGrid.of("1M", [0, 10], 20).runs_of(np.array([0, 1]))
