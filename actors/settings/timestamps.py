"""Timestamps: the present one, and those that people write as a date-time, a bare date, or ISO 8601 text."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime

from domain.spans.time_span import from_milliseconds, to_milliseconds


def now() -> datetime:
    """The present time by the machine's clock, for people to read: it may be set back at any time."""
    return datetime.fromtimestamp(time.time(), UTC)


def utc_timestamp(value: object) -> datetime:
    """A date-time, or the ISO 8601 text of one, in UTC; a bare date is its midnight in UTC.

    Raises ValueError for anything else: a time without a zone would be ambiguous.
    """
    if isinstance(value, str):
        return timestamp_from_text(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            text = value.isoformat()
            raise ValueError(f"{text} has no time zone: write {text}Z for UTC, or an offset like {text}+02:00")
        # A datetime of the standard library, even from a pandas.Timestamp: settings travel to every node.
        return from_milliseconds(to_milliseconds(value))
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise ValueError("write a timestamp like 2024-03-01T00:00:00Z, or a bare date")


def timestamp_from_text(text: str) -> datetime:
    """The same from ISO 8601 text, like "2024-03-01T12:00:00Z" or "2024-03-01"; raises ValueError."""
    for read in (date.fromisoformat, datetime.fromisoformat):
        try:
            value = read(text)
        except ValueError:
            continue
        return utc_timestamp(value)
    raise ValueError(f"{text!r} is not a timestamp: write one like 2024-03-01T12:00:00Z")
