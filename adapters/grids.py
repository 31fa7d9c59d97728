"""Calendar grids: the days, weeks, months and hours of a time zone as plain values that need no time zone.

Only this module knows zones. A bar opens at its time on the wall; where the clock skips that time, at the skip,
and where the clock shows it twice, at the first.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import chain
from zoneinfo import ZoneInfo

import numpy as np

from domain.candles.dataset import Interval
from domain.errors import SettingsError
from domain.spans.calendar_grid import CalendarGrid
from domain.spans.time_span import UNIX_EPOCH

FIRST_YEAR, LAST_YEAR = 1970, 2100
"""What a grid knows unless more is wanted. What is stored of it ends where the answers do: zones change their rules."""

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_HOURS_IN_A_DAY = 24


def calendar_grid(
    interval: Interval,
    zone: str = "UTC",
    day_starts_at: int = 0,
    week_starts_on: str = "monday",
    years: tuple[int, int] = (FIRST_YEAR, LAST_YEAR),
) -> CalendarGrid:
    """The grid of an interval in a zone, from the first of January of the first year to that of the last.

    `1d` has a bar a day, from the hour `day_starts_at` on; `1w` from that hour of a weekday; `1M`, `3M` from that
    hour of a month's first day; `2h` to `12h` begin anew with each day. Raises SettingsError for another interval,
    for a zone that there is not, and for an hour or a weekday that no day or week has.
    """
    if not 0 <= day_starts_at < _HOURS_IN_A_DAY:
        raise SettingsError(f"day_starts_at is an hour of the day, 0 to 23, not {day_starts_at}")
    if week_starts_on not in WEEKDAYS:
        raise SettingsError(f"{week_starts_on!r} is no day of the week: write one like friday")
    return _grid(interval, zone, day_starts_at, WEEKDAYS.index(week_starts_on), years)


@lru_cache(maxsize=64)
def _grid(interval: Interval, zone: str, hour: int, weekday: int, years: tuple[int, int]) -> CalendarGrid:
    first, last = (date(year, 1, 1) for year in years)
    count, unit = int(interval.name[:-1]), interval.name[-1]
    name = _name(interval, zone, hour, weekday)
    place = _zone(zone)
    if unit == "M" and 12 % count == 0:
        return _from_dates(name, _months(first, last, count), hour, place)
    if unit == "d" and count == 1:
        return _from_dates(name, _days(first, last, 1), hour, place)
    if unit == "w" and count == 1:
        return _from_dates(name, _days(first + timedelta((weekday - first.weekday()) % 7), last, 7), hour, place)
    if unit == "h" and 1 < count < _HOURS_IN_A_DAY and _HOURS_IN_A_DAY % count == 0:
        return _hours(name, _from_dates(name, _days(first, last, 1), hour, place), count, hour, place)
    raise SettingsError(f"there is no calendar of {interval} bars: choose one of 2h 3h 4h 6h 8h 12h 1d 1w 1M 3M 6M 12M")


def _name(interval: Interval, zone: str, hour: int, weekday: int) -> str:
    """The interval, and in which zone, from which hour and weekday on where that is not midnight and Monday."""
    is_of_months = interval.name.endswith("M")
    if zone == "UTC" and not is_of_months:
        raise SettingsError(f"{interval} bars of UTC are all of one length: a fixed grid has them")
    from_hour = f"+{hour}h" if hour else ""
    on_weekday = f",{WEEKDAYS[weekday]}" if weekday and interval.name.endswith("w") else ""
    where = f"{zone}{from_hour}{on_weekday}"
    return interval.name if is_of_months and where == "UTC" else f"{interval}@{where}"


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise SettingsError(f"there is no time zone {name!r}: write one like America/New_York") from None


def _days(first: date, last: date, step: int) -> Iterable[date]:
    return (date.fromordinal(day) for day in range(first.toordinal(), last.toordinal() + 1, step))


def _months(first: date, last: date, count: int) -> Iterable[date]:
    months = (date(year, month, 1) for year in range(first.year, last.year) for month in range(1, 13, count))
    return chain(months, [last])


def _from_dates(name: str, dates: Iterable[date], hour: int, zone: tzinfo) -> CalendarGrid:
    opens = (_milliseconds(datetime(day.year, day.month, day.day, hour, tzinfo=zone)) for day in dates)
    # A day that the clock skips as a whole opens with the next one: there is no bar of it.
    edges = np.unique(np.fromiter(opens, np.int64))
    return CalendarGrid(name, edges[:-1], edges[1:])


def _hours(name: str, days: CalendarGrid, count: int, hour: int, zone: tzinfo) -> CalendarGrid:
    """Days cut on the wall's clock; only one on which the clock is changed has to be looked at for itself."""
    day_ms = _HOURS_IN_A_DAY * 3_600_000
    is_plain = days.ends_ms - days.starts_ms == day_ms
    plain = days.starts_ms[is_plain, np.newaxis] + np.arange(0, day_ms, count * 3_600_000)
    special = [
        _milliseconds(start + timedelta(hours=later))
        for start in (_on_the_wall(start_ms, hour, zone) for start_ms in days.starts_ms[~is_plain].tolist())
        for later in range(0, _HOURS_IN_A_DAY, count)
    ]
    edges = np.unique(np.concatenate([plain.ravel(), np.array([*special, days.known.end_ms], np.int64)]))
    return CalendarGrid(name, edges[:-1], edges[1:])


def _on_the_wall(moment_ms: int, hour: int, zone: tzinfo) -> datetime:
    """That hour of the day that has begun by the moment, even where the clock skips it."""
    return (UNIX_EPOCH + timedelta(milliseconds=moment_ms)).astimezone(zone).replace(hour=hour, minute=0, fold=0)


def _milliseconds(moment: datetime) -> int:
    """A sum of an aware moment keeps to the wall's clock, and so does this."""
    return round(moment.timestamp() * 1000)
