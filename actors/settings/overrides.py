"""The file of calendar overrides: dates whose hours a person knows better than the calendar.

[XNYS]
2025-01-09 = "closed"                          # a day of mourning
2024-07-03 = "09:30-13:00"                     # hours in the market's own time zone
2024-03-02 = ["09:15-10:00", "11:30-12:30"]    # a special session on a Saturday, in two parts
["24/7"]
2024-02-24 = ["00:00-03:00", "05:30-24:00"]    # announced maintenance, in UTC
"""

from __future__ import annotations

import re
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

from actors.settings.files import toml_in
from domain.candles.sessions import SessionOverride

CLOSED = "closed"
_HOURS = re.compile(r"^(\d{2}):(\d{2})-(\d{2}):(\d{2})$")
_EXAMPLE = 'write "closed", "09:30-13:00", or a list of such hours'


def overrides_in(path: Path) -> tuple[SessionOverride, ...]:
    """Every override in the file; raises ValueError with a sentence that says what is wrong, and where."""
    overrides: list[SessionOverride] = []
    for calendar, dates in toml_in(path).items():
        if not isinstance(dates, dict):
            raise ValueError(f"{path}: {calendar} stands outside of a section: begin with one like [XNYS]")
        for written, hours in dates.items():
            where = f"{path}: [{calendar}] {written}"
            overrides.append(SessionOverride(calendar, _date(written, where), _hours(hours, where)))
    return tuple(overrides)


def _date(written: str, where: str) -> date:
    try:
        return date.fromisoformat(written)
    except ValueError:
        raise ValueError(f"{where}: this is not a date: write one like 2024-07-03") from None


def _hours(value: Any, where: str) -> tuple[tuple[int, int], ...]:
    if value == CLOSED:
        return ()
    written = value if isinstance(value, list) else [value]
    if not written or not all(isinstance(one, str) for one in written):
        raise ValueError(f"{where} is {value!r}: {_EXAMPLE}")
    hours = tuple(_minutes(one, where) for one in written)
    if any(later[0] < earlier[1] for earlier, later in pairwise(hours)):
        raise ValueError(f"{where} is {value!r}: write its parts in order, without overlaps")
    return hours


def _minutes(written: str, where: str) -> tuple[int, int]:
    match = _HOURS.match(written)
    if not match:
        raise ValueError(f"{where} is {written!r}: {_EXAMPLE}")
    opening, closing = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
    if int(match[2]) > 59 or int(match[4]) > 59 or not opening < closing <= 24 * 60:
        raise ValueError(f"{where} is {written!r}: hours go from an earlier to a later time of one day, up to 24:00")
    return opening, closing
