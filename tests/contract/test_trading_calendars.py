"""One suite over every calendar, and what `exchange_calendars` and a person's overrides are made into."""

from __future__ import annotations

import pickle
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.calendars import TradingCalendars
from domain.candles.dataset import Dataset, Interval
from domain.candles.ports import TradingCalendar
from domain.candles.sessions import DAY_MS, AlwaysOpen, SessionOverride
from domain.errors import SettingsError
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan

TREE = Path(__file__).resolve().parents[2]
START_MS = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1000)
YEAR = TimeSpan(START_MS, START_MS + 366 * DAY_MS)
MUHURAT = SessionOverride("XBOM", date(2024, 11, 1), ((18 * 60, 19 * 60),))
MAINTENANCE = SessionOverride("24/7", date(2024, 2, 24), ((0, 180), (330, 1440)))
CALENDARS: dict[str, TradingCalendar] = {
    "always": AlwaysOpen(),
    "XNYS": TradingCalendars().named("XNYS", YEAR),
    "XHKG": TradingCalendars().named("XHKG", YEAR),
    "overridden": TradingCalendars([MUHURAT]).named("XBOM", YEAR),
    "maintained": TradingCalendars([MAINTENANCE]).named("24/7", YEAR),
}


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def day_of(text: str) -> TimeSpan:
    return TimeSpan(at(text), at(text) + DAY_MS)


def bars(calendar: str, interval: str, span: TimeSpan) -> int:
    dataset = Dataset("memory", "A", Interval(interval))
    return dataset.count(CALENDARS[calendar].expected(dataset, span))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(CALENDARS)),
    st.sampled_from(["1m", "5m", "1h", "1d", "3d"]),
    st.lists(st.integers(YEAR.start_ms, YEAR.end_ms), min_size=3, max_size=3).map(sorted),
)
def test_a_span_expects_what_its_parts_expect(calendar: str, interval: str, edges: list[int]) -> None:
    dataset = Dataset("memory", "A", Interval(interval))
    start, middle, end = (dataset.floor_ms(edge) for edge in edges)
    whole = CALENDARS[calendar].expected(dataset, TimeSpan(start, end))
    parts = [*CALENDARS[calendar].expected(dataset, TimeSpan(start, middle))]
    parts += CALENDARS[calendar].expected(dataset, TimeSpan(middle, end))
    assert SpanSet(parts) == whole
    assert all(TimeSpan(start, end).covers(run) and dataset.align(run) == run for run in whole)


@pytest.mark.parametrize("calendar", sorted(CALENDARS))
def test_a_calendar_travels_as_a_value(calendar: str) -> None:
    copy = pickle.loads(pickle.dumps(CALENDARS[calendar]))
    dataset = Dataset("memory", "A", Interval("1h"))
    assert copy.name == CALENDARS[calendar].name
    assert copy.expected(dataset, YEAR) == CALENDARS[calendar].expected(dataset, YEAR)


def test_new_york_has_252_sessions_in_2024_and_closes_early_before_the_fourth_of_july() -> None:
    assert bars("XNYS", "1d", YEAR) == 252
    assert [bars("XNYS", "1m", day_of(f"2024-07-0{day}")) for day in (2, 3, 4, 5)] == [390, 210, 0, 390]


def test_new_york_opens_an_hour_later_by_utc_when_summer_time_ends() -> None:
    dataset = Dataset("memory", "A", Interval("1m"))
    opening = [CALENDARS["XNYS"].expected(dataset, day_of(f"2024-11-0{day}"))[0].start for day in (1, 4)]
    assert [(moment.hour, moment.minute) for moment in opening] == [(13, 30), (14, 30)]


def test_hong_kong_has_lunch() -> None:
    dataset = Dataset("memory", "A", Interval("1m"))
    morning, afternoon = CALENDARS["XHKG"].expected(dataset, day_of("2024-03-01"))
    assert (morning.duration_ms, afternoon.duration_ms) == (150 * 60_000, 180 * 60_000)


def test_an_override_replaces_the_hours_of_its_date_in_the_markets_own_time_zone() -> None:
    dataset = Dataset("memory", "A", Interval("1m"))
    expected = CALENDARS["overridden"].expected(dataset, day_of("2024-11-01"))
    assert expected == (TimeSpan(at("2024-11-01T12:30"), at("2024-11-01T13:30")),)
    closed = TradingCalendars([SessionOverride("XNYS", date(2024, 3, 4), ())]).named("XNYS", YEAR)
    assert closed.expected(dataset, day_of("2024-03-04")) == ()
    saturday = TradingCalendars([SessionOverride("XNYS", date(2024, 3, 2), ((570, 600),))]).named("XNYS", YEAR)
    assert dataset.count(saturday.expected(dataset, day_of("2024-03-02"))) == 30


def test_an_override_keeps_to_the_clock_on_the_wall_when_summer_time_begins() -> None:
    sunday = SessionOverride("XNYS", date(2024, 3, 10), ((9 * 60, 10 * 60),))
    (hours,) = (
        TradingCalendars([sunday])
        .named("XNYS", YEAR)
        .expected(Dataset("memory", "A", Interval("1m")), day_of("2024-03-10"))
    )
    assert hours.start == datetime(2024, 3, 10, 13, tzinfo=UTC)


def test_a_market_that_never_closes_may_close_for_maintenance() -> None:
    dataset = Dataset("memory", "A", Interval("1m"))
    before, after = CALENDARS["maintained"].expected(dataset, TimeSpan(at("2024-02-20"), at("2024-03-01")))
    assert (before.end_ms, after.start_ms) == (at("2024-02-24T03:00"), at("2024-02-24T05:30"))


def test_a_calendar_asked_for_more_tells_more() -> None:
    calendars, dataset = TradingCalendars(), Dataset("memory", "A", Interval("1d"))
    calendars.named("XNYS", day_of("2024-03-04"))
    assert dataset.count(calendars.named("XNYS", YEAR).expected(dataset, YEAR)) == 252
    assert calendars.named("XNYS", day_of("2024-03-05")) is calendars.named("XNYS", YEAR)


def test_overrides_of_other_calendars_change_nothing() -> None:
    assert isinstance(TradingCalendars([MUHURAT]).named("24/7", YEAR), AlwaysOpen)


@pytest.mark.parametrize(
    ("name", "hint"), [("XNYX", "XNYS"), ("xnys", "XNYS"), ("no such market at all", '"24/7" or a market like "XNYS"')]
)
def test_an_unknown_name_is_answered_with_what_may_have_been_meant(name: str, hint: str) -> None:
    with pytest.raises(SettingsError, match=r"job\.calendar: there is no calendar") as caught:
        TradingCalendars().named(name, YEAR)
    assert hint in str(caught.value)


def test_an_override_of_a_calendar_that_does_not_exist_is_not_passed_over() -> None:
    with pytest.raises(SettingsError, match=r"job\.calendar_overrides: there is no calendar 'XNYX'"):
        TradingCalendars([SessionOverride("XNYX", date(2024, 3, 4), ())]).named("24/7", YEAR)


def test_a_span_that_the_calendar_does_not_know_is_refused_with_what_it_knows() -> None:
    with pytest.raises(SettingsError, match=r"XBOM tells sessions in \[1997-"):
        TradingCalendars().named("XBOM", TimeSpan(0, DAY_MS))


def test_a_span_at_the_very_limit_of_what_a_calendar_knows_is_served() -> None:
    first_ms = at("1997-01-01")
    calendar = TradingCalendars().named("XBOM", TimeSpan(first_ms, first_ms + 10 * DAY_MS))
    dataset = Dataset("memory", "A", Interval("1d"))
    assert dataset.count(calendar.expected(dataset, TimeSpan(first_ms, first_ms + 10 * DAY_MS))) == 8


def test_a_market_that_never_closes_needs_no_pandas() -> None:
    script = (
        "import sys; from adapters.calendars import TradingCalendars; from domain.spans.time_span import TimeSpan; "
        "TradingCalendars().named('24/7', TimeSpan(0, 1)); assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], cwd=TREE, check=True, timeout=60)
