"""Trading calendars: the sessions that `exchange_calendars` knows, with what a person knows better on top.

The library brings pandas, which takes half a second and tens of megabytes: it is imported only for a
calendar that needs it, and what it says leaves here as a plain value that needs neither.
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import numpy as np

from domain.candles.ports import TradingCalendar
from domain.candles.sessions import ALWAYS_OPEN, DAY_MS, AlwaysOpen, MarketSessions, Session, SessionOverride
from domain.errors import SettingsError
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan, from_milliseconds, to_milliseconds

_MARGIN_MS = 15 * DAY_MS
"""Sessions are told for so much more than is asked: a bar of two weeks may hold a session outside the span."""

_EARLIEST_MS, _LATEST_MS = -2_208_988_800_000, 7_258_118_400_000
"""1900 and 2200: where a calendar of the library names no limit of its own."""

_NANOSECONDS_IN_MS = 1_000_000
_NEVER = np.iinfo(np.int64).min


class TradingCalendars:
    """Calendars by name, with the overrides that apply to them; what was loaded is kept."""

    def __init__(self, overrides: Sequence[SessionOverride] = ()) -> None:
        self._overrides = tuple(overrides)
        self._loaded: dict[str, MarketSessions] = {}

    def named(self, name: str, span: TimeSpan) -> TradingCalendar:
        """The calendar's sessions in the span.

        Raises SettingsError for a name that no calendar has, be it this one or one that is overridden,
        and for a span of which the calendar knows nothing.
        """
        for other in sorted({one.calendar for one in self._overrides} - {ALWAYS_OPEN, name}):
            _require_known(other, "calendar_overrides")
        overrides = [one for one in self._overrides if one.calendar == name]
        if name == ALWAYS_OPEN and not overrides:
            return AlwaysOpen()
        loaded = self._loaded.get(name)
        if loaded is None or not loaded.known.covers(span):
            load = _always_but if name == ALWAYS_OPEN else _exchange_sessions
            loaded = self._loaded[name] = load(name, span, overrides)
        return loaded


def _exchange_sessions(name: str, span: TimeSpan, overrides: Iterable[SessionOverride]) -> MarketSessions:
    _require_known(name, "calendar")
    known = TimeSpan(span.start_ms - _MARGIN_MS, span.end_ms + _MARGIN_MS)
    calendar = _open_calendar(name, span, known)
    sessions = {session.date_ms: session for session in _sessions_of(calendar)}
    sessions |= {session.date_ms: session for session in _overriding(overrides, calendar.tz)}
    return MarketSessions.of(name, known, sessions.values())


def _always_but(name: str, span: TimeSpan, overrides: Iterable[SessionOverride]) -> MarketSessions:
    """The market that never closes, but for the dates that say otherwise: a day's hours are UTC then."""
    known = TimeSpan(span.start_ms - _MARGIN_MS, span.end_ms + _MARGIN_MS)
    first_ms, last_ms = known.start_ms // DAY_MS * DAY_MS, known.end_ms
    days = (TimeSpan(start_ms, start_ms + DAY_MS) for start_ms in range(first_ms, last_ms, DAY_MS))
    sessions = {day.start_ms: Session(day.start_ms, (day,)) for day in days}
    sessions |= {session.date_ms: session for session in _overriding(overrides, UTC)}
    return MarketSessions.of(name, known, sessions.values())


def _require_known(name: str, key: str) -> None:
    import exchange_calendars

    names = [ALWAYS_OPEN, *exchange_calendars.get_calendar_names(include_aliases=True)]
    if name in names:
        return
    near = difflib.get_close_matches(name.upper(), names, n=3, cutoff=0.5)
    advice = f"did you mean {' or '.join(near)}?" if near else f'write "{ALWAYS_OPEN}" or a market like "XNYS"'
    raise SettingsError(f"job.{key}: there is no calendar {name!r}: {advice}")


def _open_calendar(name: str, span: TimeSpan, known: TimeSpan) -> Any:
    """The library's calendar for the known span, or for as much of it as it has if that holds the span."""
    try:
        return _library_calendar(name, start=_day(known.start_ms), end=_day(known.end_ms))
    except ValueError:
        # Only now is it worth opening the calendar twice: its limits are known to its class alone.
        first, last = _limits(type(_library_calendar(name)))
    if span.start_ms < first or span.end_ms > last + DAY_MS:
        told = TimeSpan(first, last + DAY_MS)
        raise SettingsError(f"job.calendar: {name} tells sessions in {told} only, and {span} is asked for")
    start_ms, end_ms = max(first, known.start_ms), min(last, known.end_ms)
    return _library_calendar(name, start=_day(start_ms), end=_day(end_ms))


def _library_calendar(name: str, **limits: str) -> Any:
    import exchange_calendars

    with warnings.catch_warnings():
        # What the library does with pandas is deprecated there: nothing that a collector's user can change.
        warnings.simplefilter("ignore")
        return exchange_calendars.get_calendar(name, **limits)


def _limits(kind: Any) -> tuple[int, int]:
    earliest, latest = kind.bound_min(), kind.bound_max()
    first = _EARLIEST_MS if earliest is None else _milliseconds(earliest)
    return first, _LATEST_MS if latest is None else _milliseconds(latest)


def _milliseconds(timestamp: Any) -> int:
    return int(timestamp.value) // _NANOSECONDS_IN_MS


def _day(moment_ms: int) -> str:
    return from_milliseconds(moment_ms).date().isoformat()


def _sessions_of(calendar: Any) -> Iterable[Session]:
    columns = (
        calendar.sessions_nanos,
        calendar.opens_nanos,
        calendar.break_starts_nanos,
        calendar.break_ends_nanos,
        calendar.closes_nanos,
    )
    for date_ns, *edges_ns in zip(*(column.tolist() for column in columns), strict=True):
        edges = [edge // _NANOSECONDS_IN_MS for edge in edges_ns if edge != _NEVER]
        hours = tuple(TimeSpan(start_ms, end_ms) for start_ms, end_ms in zip(edges[::2], edges[1::2], strict=True))
        yield Session(date_ns // _NANOSECONDS_IN_MS, hours)


def _overriding(overrides: Iterable[SessionOverride], zone: tzinfo) -> Iterable[Session]:
    for one in overrides:
        midnight = datetime(one.date.year, one.date.month, one.date.day, tzinfo=zone)
        hours = SpanSet(TimeSpan.between(_at(midnight, begin), _at(midnight, end)) for begin, end in one.hours)
        yield Session(to_milliseconds(midnight.replace(tzinfo=UTC)), tuple(hours))


def _at(midnight: datetime, minutes: int) -> datetime:
    """That time of the day on the wall, on days of 23 and of 25 hours, too: aware sums keep to the wall clock."""
    return (midnight + timedelta(minutes=minutes)).astimezone(UTC)
