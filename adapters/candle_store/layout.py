"""Where candles lie: the folder of a dataset, and the calendar period each of its files holds.

    root / broker / interval / adjustment / symbol / period.candles

A file holds one period by UTC calendar, chosen so that it has thousands of bars, not millions:

    interval          period   file name    bars at most
    under 1 minute    day      2024-03-07   86,400 (1s)
    under 15 minutes  month    2024-03      44,640 (1m)
    under 1 day       year     2024         35,136 (15m)
    1 day and longer  all      all          7,305 in 20 years (1d)

A grid that does not open at 1970 has its anchor in the interval's folder: `1w@345600000`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, unquote

from domain.candles.dataset import Dataset, Interval
from domain.spans.time_span import TimeSpan

SUFFIX = ".candles"
EVERYTHING = TimeSpan(-(2**62), 2**62)
_MINUTE_MS, _DAY_MS = 60_000, 86_400_000
_PERIOD = re.compile(r"^\d{4}(-\d{2}){0,2}$")


def folder_of(root: Path, dataset: Dataset) -> Path:
    """The folder of one dataset. Names unfit for a file are percent-encoded: BRK/B lies in BRK%2FB."""
    anchor = f"@{dataset.anchor_ms}" if dataset.anchor_ms else ""
    interval = f"{dataset.interval}{anchor}"
    return root / encode_name(dataset.broker) / interval / encode_name(dataset.adjustment) / encode_name(dataset.symbol)


def dataset_of(root: Path, folder: Path) -> Dataset:
    """What `folder_of` was given; ValueError for a folder it does not make."""
    broker, interval_and_anchor, adjustment, symbol = folder.relative_to(root).parts
    interval, _, anchor = interval_and_anchor.partition("@")
    return Dataset(unquote(broker), unquote(symbol), Interval(interval), unquote(adjustment), int(anchor or 0))


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
    at_ms = dataset.ceil_ms(span.start_ms)
    while at_ms < span.end_ms:
        name = _name(dataset.interval.duration_ms, at_ms)
        period = period_of(Path(name))
        assert period is not None
        part = dataset.align(TimeSpan(at_ms, min(span.end_ms, period.end_ms)))
        yield f"{name}{SUFFIX}", part
        at_ms = part.end_ms


def _name(duration_ms: int, moment_ms: int) -> str:
    if duration_ms >= _DAY_MS:
        return "all"
    date = TimeSpan(moment_ms, moment_ms).start.date().isoformat()
    if duration_ms >= 15 * _MINUTE_MS:
        return date[:4]
    return date[:7] if duration_ms >= _MINUTE_MS else date


def _next_start(start: datetime, name: str) -> datetime:
    parts = name.count("-") + 1
    if parts == 3:
        return start + timedelta(days=1)
    following = start + timedelta(days=32 if parts == 2 else 366)
    return following.replace(day=1) if parts == 2 else following.replace(month=1, day=1)
