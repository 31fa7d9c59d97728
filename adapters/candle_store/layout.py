"""Where candles lie: the folder of a dataset, and the calendar period each of its files holds.

    root / broker / interval / adjustment / symbol / period.candles

A file holds one period by UTC calendar, chosen so that it has thousands of bars, not millions:

    interval          period   file name    bars at most
    under 1 minute    day      2024-03-07   86,400 (1s)
    under 15 minutes  month    2024-03      44,640 (1m)
    under 1 day       year     2024         35,136 (15m)
    1 day and longer  all      all          7,305 in 20 years (1d)

A grid that does not open at 1970 has its anchor in the interval's folder, and a calendar grid what its name has
beyond the interval: `1w@345600000`, `1d@America%2FNew_York`. A file of a calendar's hours holds a year. Months
lie in `1mo`: there are disks to which `1M` and `1m` are one folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, unquote

from domain.candles.dataset import Dataset, Interval
from domain.spans.calendar_grid import CalendarGrid
from domain.spans.grid import ALL_TIME, FixedGrid
from domain.spans.time_span import TimeSpan

SUFFIX = ".candles"
EVERYTHING = ALL_TIME
YEARS = TimeSpan(-62_135_596_800_000, 253_402_300_799_999)
"""The years 1 to 9999: no bar opens in another."""
_MINUTE_MS, _DAY_MS = 60_000, 86_400_000
_LONGEST_DAYS = {"day": 1, "month": 31, "year": 366}
_MONTHS = "mo"
_PERIOD = re.compile(r"^\d{4}(-\d{2}){0,2}$")
_ANCHOR = re.compile(r"^-?\d+$")


def folder_of(root: Path, dataset: Dataset) -> Path:
    """The folder of one dataset. Names unfit for a file are percent-encoded: BRK/B lies in BRK%2FB."""
    mark = grid_mark(dataset)
    interval = f"{interval_name(dataset.interval)}{'@' if mark else ''}{mark}"
    variant, symbol = encode_name(dataset.stored_variant), encode_name(dataset.symbol)
    return root / encode_name(dataset.broker) / interval / variant / symbol


def dataset_of(root: Path, folder: Path) -> Dataset:
    """What `folder_of` was given, of a calendar grid the name alone; ValueError for a folder it does not make."""
    broker, interval_and_mark, variant, symbol = folder.relative_to(root).parts
    stored_interval, _, mark = interval_and_mark.partition("@")
    interval = stored_interval.removesuffix(_MONTHS) + "M" if stored_interval.endswith(_MONTHS) else stored_interval
    mark = unquote(mark)
    is_fixed = not interval.endswith("M") and (not mark or bool(_ANCHOR.match(mark)))
    grid = int(mark or 0) if is_fixed else CalendarGrid.unknown(f"{interval}@{mark}" if mark else interval)
    return Dataset.of_identity(unquote(broker), unquote(symbol), interval, unquote(variant), grid)


def interval_name(interval: Interval) -> str:
    """The interval as a name that is no other's where upper and lower case are one."""
    return interval.name.removesuffix("M") + _MONTHS if interval.name.endswith("M") else interval.name


def grid_mark(dataset: Dataset) -> str:
    """What tells the grid from the plain one of its interval, fit for a file's name: an anchor, or a calendar."""
    if isinstance(dataset.grid, FixedGrid):
        return str(dataset.grid.anchor_ms or "")
    where = str(dataset.grid.key).partition("@")[2]
    return encode_name(where) if where else ""


def encode_name(name: str) -> str:
    """The name as one path component; `urllib.parse.unquote` takes it back."""
    if not name:
        raise ValueError("a broker, an adjustment and a symbol need a name")
    encoded = quote(name, safe="^=+@,")
    return "%2E" + encoded[1:] if encoded.startswith(".") else encoded


def period_of(path: Path) -> TimeSpan | None:
    """The calendar period that a file's name stands for; None when it is no name of ours."""
    name = path.name.removesuffix(SUFFIX)
    if name == "all":
        return EVERYTHING
    if not _PERIOD.match(name):
        return None
    year, month, day = ([int(part) for part in name.split("-")] + [1, 1])[:3]
    try:
        start = datetime(year, month, day, tzinfo=UTC)
    except ValueError:
        return None
    return TimeSpan.between(start, _next_start(start, name))


def split(dataset: Dataset, span: TimeSpan) -> Iterator[tuple[str, TimeSpan]]:
    """The files that the openings of a span belong to, each with its part of the span, on the grid."""
    at_ms, kind = dataset.ceil_ms(span.start_ms), _period_kind(dataset)
    while at_ms < span.end_ms:
        name = _name(kind, at_ms)
        period = period_of(Path(name))
        assert period is not None
        part = dataset.align(TimeSpan(at_ms, min(span.end_ms, period.end_ms)))
        yield f"{name}{SUFFIX}", part
        at_ms = part.end_ms


def most_bars(dataset: Dataset) -> int:
    """As many bars as one file can hold at most, be it what it may say of itself."""
    days = _LONGEST_DAYS.get(_period_kind(dataset))
    longest_ms = YEARS.duration_ms if days is None else days * _DAY_MS
    if isinstance(dataset.grid, FixedGrid):
        return longest_ms // dataset.grid.step_ms + 1
    # Clocks are changed seldom: as many bars as these are not even half as long as they should be.
    return longest_ms // (3_600_000 if days else _DAY_MS // 2) + 1


def _period_kind(dataset: Dataset) -> str:
    if not isinstance(dataset.grid, FixedGrid):
        return "year" if dataset.interval.is_within_a_day else "all"
    duration_ms = dataset.grid.step_ms
    if duration_ms >= _DAY_MS:
        return "all"
    if duration_ms >= 15 * _MINUTE_MS:
        return "year"
    return "month" if duration_ms >= _MINUTE_MS else "day"


def _name(kind: str, moment_ms: int) -> str:
    if kind == "all":
        return kind
    date = TimeSpan(moment_ms, moment_ms).start.date().isoformat()
    return date[: {"year": 4, "month": 7, "day": 10}[kind]]


def _next_start(start: datetime, name: str) -> datetime:
    parts = name.count("-") + 1
    if parts == 3:
        return start + timedelta(days=1)
    following = start + timedelta(days=32 if parts == 2 else 366)
    return following.replace(day=1) if parts == 2 else following.replace(month=1, day=1)
