"""TimeSpan: a half-open stretch of UTC time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def to_milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970 UTC; a moment without a zone raises ValueError."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone: write it with one, e.g. {moment.isoformat()}Z")
    milliseconds, rest = divmod(moment - UNIX_EPOCH, _MILLISECOND)
    if rest:
        raise ValueError(f"{moment.isoformat()} is finer than a millisecond")
    return milliseconds


def from_milliseconds(milliseconds: int) -> datetime:
    """The UTC moment that many milliseconds after 1970."""
    return UNIX_EPOCH + timedelta(milliseconds=int(milliseconds))


@dataclass(frozen=True, order=True, slots=True)
class TimeSpan:
    """The moments `start_ms <= t < end_ms`, in milliseconds since 1970 UTC; may be empty."""

    start_ms: int
    end_ms: int

    def __post_init__(self) -> None:
        if self.end_ms < self.start_ms:
            raise ValueError(f"a span cannot end ({self.end}) before it starts ({self.start})")

    @classmethod
    def between(cls, start: datetime, end: datetime) -> TimeSpan:
        """The span from `start` up to, not including, `end`; both need a time zone."""
        return cls(to_milliseconds(start), to_milliseconds(end))

    @property
    def start(self) -> datetime:
        return from_milliseconds(self.start_ms)

    @property
    def end(self) -> datetime:
        return from_milliseconds(self.end_ms)

    @property
    def duration_ms(self) -> int:
        return self.end_ms - self.start_ms

    def __bool__(self) -> bool:
        return self.end_ms > self.start_ms

    def __str__(self) -> str:
        return f"[{_brief(self.start)}, {_brief(self.end)})"

    def __contains__(self, moment_ms: int) -> bool:
        return self.start_ms <= moment_ms < self.end_ms

    def covers(self, other: TimeSpan) -> bool:
        """Whether every moment of `other` lies in this span."""
        return not other or (self.start_ms <= other.start_ms and other.end_ms <= self.end_ms)

    def intersect(self, other: TimeSpan) -> TimeSpan:
        """What both have in common; empty where they do not meet."""
        start_ms = max(self.start_ms, other.start_ms)
        return TimeSpan(start_ms, max(start_ms, min(self.end_ms, other.end_ms)))

    def pages(self, page_ms: int) -> Iterator[TimeSpan]:
        """Consecutive spans of at most `page_ms`, counted from the start, that make up this one."""
        if page_ms <= 0:
            raise ValueError("a page must be longer than nothing")
        for start_ms in range(self.start_ms, self.end_ms, page_ms):
            yield TimeSpan(start_ms, min(start_ms + page_ms, self.end_ms))


def _brief(moment: datetime) -> str:
    return moment.isoformat(timespec="auto").replace("+00:00", "Z")
