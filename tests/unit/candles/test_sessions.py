"""Sessions: which bars of a grid hold open time, and the arithmetic of spans that gaps are made of."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.grids import calendar_grid
from domain.candles.dataset import Dataset, Interval
from domain.candles.sessions import DAY_MS, AlwaysOpen, MarketSessions, Session
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan

HOUR_MS, MINUTE_MS = 3_600_000, 60_000


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def between(start: str, end: str) -> TimeSpan:
    return TimeSpan(at(start), at(end))


def grid(interval: str, anchor_ms: int = 0) -> Dataset:
    return Dataset.fixed("memory", "A", Interval(interval), anchor_ms=anchor_ms)


def sessions(*hours: tuple[str, TimeSpan]) -> MarketSessions:
    made = [Session(at(day), (span,)) for day, span in hours]
    return MarketSessions.of("TEST", between("2024-01-01", "2025-01-01"), made)


NEW_YORK = sessions(
    ("2024-07-02", between("2024-07-02T13:30", "2024-07-02T20:00")),
    ("2024-07-03", between("2024-07-03T13:30", "2024-07-03T17:00")),
    ("2024-07-05", between("2024-07-05T13:30", "2024-07-05T20:00")),
)
JULY = between("2024-07-01", "2024-07-08")


def test_minute_bars_are_expected_in_the_open_hours_and_not_after_an_early_close() -> None:
    expected = NEW_YORK.expected(grid("1m"), JULY)
    assert expected == SpanSet(
        [
            between("2024-07-02T13:30", "2024-07-02T20:00"),
            between("2024-07-03T13:30", "2024-07-03T17:00"),
            between("2024-07-05T13:30", "2024-07-05T20:00"),
        ]
    )
    assert grid("1m").count(expected) == 390 + 210 + 390


def test_a_lunch_break_is_no_open_time() -> None:
    halves = (between("2024-07-02T01:30", "2024-07-02T04:00"), between("2024-07-02T05:00", "2024-07-02T08:00"))
    hong_kong = MarketSessions.of("TEST", JULY, [Session(at("2024-07-02"), halves)])
    assert hong_kong.expected(grid("30m"), JULY) == SpanSet(halves)
    assert hong_kong.expected(grid("1d"), JULY) == (between("2024-07-02", "2024-07-03"),)


def test_a_bar_that_begins_before_the_opening_is_expected_when_it_holds_open_time() -> None:
    first, *_ = NEW_YORK.expected(grid("1h"), JULY)
    assert first == between("2024-07-02T13:00", "2024-07-02T20:00")


def test_daily_bars_are_expected_one_a_session_and_neighbours_are_one_run() -> None:
    assert NEW_YORK.expected(grid("1d"), JULY) == SpanSet(
        [
            between("2024-07-02", "2024-07-04"),
            between("2024-07-05", "2024-07-06"),
        ]
    )


@pytest.mark.parametrize(("anchor_hours", "expected_day"), [(0, "2024-07-02"), (-10, "2024-07-01T14:00")])
def test_a_session_that_opens_on_the_evening_before_by_utc_has_one_daily_bar_whatever_the_anchor(
    anchor_hours: int, expected_day: str
) -> None:
    sydney = sessions(("2024-07-02", between("2024-07-01T23:00", "2024-07-02T05:00")))
    (day,) = sydney.expected(grid("1d", anchor_hours * HOUR_MS), JULY)
    assert (day.start_ms, day.duration_ms) == (at(expected_day), DAY_MS)


def test_on_a_grid_of_dates_a_daily_bar_is_its_sessions_date_and_on_any_other_it_holds_the_sessions_middle() -> None:
    wellington = sessions(("2024-12-24", between("2024-12-23T21:00", "2024-12-23T23:45")))
    assert wellington.expected(grid("1d"), between("2024-12-20", "2024-12-28")) == (
        between("2024-12-24", "2024-12-25"),
    )
    first, *_ = NEW_YORK.expected(grid("1d", 5 * HOUR_MS), JULY)
    assert first == between("2024-07-02T05:00", "2024-07-04T05:00")


def test_hours_that_overlap_or_come_in_any_order_are_one_stretch() -> None:
    made = [Session(0, (TimeSpan(3 * HOUR_MS, 9 * HOUR_MS), TimeSpan(4 * HOUR_MS, 5 * HOUR_MS)))]
    calendar = MarketSessions.of("TEST", TimeSpan(0, DAY_MS), made)
    assert calendar.expected(grid("1h"), TimeSpan(7 * HOUR_MS, DAY_MS)) == (TimeSpan(7 * HOUR_MS, 9 * HOUR_MS),)


def test_weekly_bars_are_expected_where_the_week_has_a_session() -> None:
    monday_ms = 4 * DAY_MS
    weeks = NEW_YORK.expected(grid("1w", monday_ms), between("2024-06-24", "2024-07-15"))
    assert weeks == (between("2024-07-01", "2024-07-08"),)


def test_no_more_is_expected_than_was_asked_for() -> None:
    asked = between("2024-07-02T19:58", "2024-07-03T13:31")
    assert NEW_YORK.expected(grid("1m"), asked) == SpanSet(
        [
            between("2024-07-02T19:58", "2024-07-02T20:00"),
            between("2024-07-03T13:30", "2024-07-03T13:31"),
        ]
    )
    assert NEW_YORK.expected(grid("1m"), between("2024-07-04", "2024-07-05")) == ()


def test_what_a_calendar_was_not_told_is_refused_and_not_taken_for_closed() -> None:
    with pytest.raises(ValueError, match="the sessions of TEST are told for"):
        NEW_YORK.expected(grid("1d"), between("2024-12-30", "2025-01-03"))


def test_a_market_that_never_closes_expects_every_bar() -> None:
    assert AlwaysOpen().expected(grid("1m"), TimeSpan(30_000, 150_000)) == (TimeSpan(60_000, 180_000),)
    assert AlwaysOpen().expected(grid("1m"), TimeSpan(0, 0)) == ()


sessions_of_any_kind = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 1439), st.integers(1, 1440)), unique_by=lambda one: one[0], max_size=15
)


@given(
    sessions_of_any_kind,
    st.sampled_from(["1m", "7m", "1h", "4h"]),
    st.integers(-HOUR_MS, HOUR_MS),
    st.integers(0, 41 * DAY_MS),
    st.integers(0, 41 * DAY_MS),
)
def test_a_bar_is_expected_exactly_when_it_holds_open_time(
    days: list[tuple[int, int, int]], interval: str, anchor_ms: int, one: int, other: int
) -> None:
    opened = [
        TimeSpan(day * DAY_MS + start * MINUTE_MS, day * DAY_MS + (start + length) * MINUTE_MS)
        for day, start, length in days
    ]
    made = [Session(span.start_ms // DAY_MS * DAY_MS, (span,)) for span in opened]
    calendar = MarketSessions.of("TEST", TimeSpan(-DAY_MS, 50 * DAY_MS), made)
    dataset, asked = grid(interval, anchor_ms), TimeSpan(min(one, other), max(one, other))
    found = dataset.openings(calendar.expected(dataset, asked))
    grid_openings = dataset.openings(AlwaysOpen().expected(dataset, asked))
    duration_ms = dataset.interval.duration_ms
    holds = np.zeros(len(grid_openings), np.bool_)
    for span in opened:
        holds |= (grid_openings < span.end_ms) & (grid_openings + duration_ms > span.start_ms)
    assert found.tolist() == grid_openings[holds].tolist()


NEW_YORK_SESSIONS = [
    # 9:30 to 16:00 in New York: Thursday and Friday before its clocks go on, Monday and Tuesday after.
    Session(at(date), (TimeSpan(at(f"{date}T{hour}:30"), at(f"{date}T{hour + 6}:00") + HOUR_MS // 2),))
    for date, hour in (("2024-03-07", 14), ("2024-03-08", 14), ("2024-03-11", 13), ("2024-03-12", 13))
]
ABOUT_MARCH = TimeSpan(at("2024-01-01"), at("2024-06-01"))


def calendar(interval: str, zone: str = "America/New_York", hour: int = 0) -> Dataset:
    length = Interval(interval)
    return Dataset("memory", "A", length, grid=calendar_grid(length, zone, hour, years=(2024, 2025)))


@pytest.mark.parametrize(
    ("dataset", "openings"),
    [
        (calendar("1d"), ["2024-03-07T05:00", "2024-03-08T05:00", "2024-03-11T04:00", "2024-03-12T04:00"]),
        (calendar("1d", hour=17), ["2024-03-06T22:00", "2024-03-07T22:00", "2024-03-10T21:00", "2024-03-11T21:00"]),
        (calendar("1w"), ["2024-03-04T05:00", "2024-03-11T04:00"]),
        (calendar("1M", "UTC"), ["2024-03-01"]),
        (calendar("12h"), [f"2024-03-{time}:00" for time in (
            "07T05", "07T17", "08T05", "08T17", "11T04", "11T16", "12T04", "12T16")]),
    ],
)  # fmt: skip
def test_a_bar_of_a_calendar_is_expected_where_it_holds_a_session(dataset: Dataset, openings: list[str]) -> None:
    sessions = MarketSessions.of("XNYS", ABOUT_MARCH, NEW_YORK_SESSIONS)
    expected = dataset.openings(sessions.expected(dataset, dataset.align(TimeSpan(at("2024-02-01"), at("2024-05-01")))))
    assert expected.tolist() == [at(opening) for opening in openings]
