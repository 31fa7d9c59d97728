"""Sessions: when a market is open, and in which bars of a grid candles are therefore expected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from domain.candles import Dataset
from domain.requests import ALWAYS_OPEN
from domain.timespan import TimeSpan, union

Moments = NDArray[np.int64]

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Session:
    """One trading day: its date as midnight UTC, and its open hours in order; a lunch break makes two of them."""

    date_ms: int
    hours: tuple[TimeSpan, ...]


@dataclass(frozen=True, slots=True)
class SessionOverride:
    """What a person knows better than a calendar: one date's hours, none where the market stays closed.

    Hours are (from, to) in minutes since midnight in the market's own time zone.
    """

    calendar: str
    date: date
    hours: tuple[tuple[int, int], ...]


class AlwaysOpen:
    """The calendar of a market that never closes: every bar is expected."""

    name = ALWAYS_OPEN

    def expected(self, dataset: Dataset, span: TimeSpan) -> list[TimeSpan]:
        """The whole span, on the dataset's grid."""
        aligned = dataset.align(span)
        return [aligned] if aligned else []


@dataclass(frozen=True, eq=False)
class MarketSessions:
    """A market's sessions as columns: a value that travels, with nothing behind it.

    `known` is the span of which the sessions are told; whoever asks beyond it is refused.
    """

    name: str
    known: TimeSpan
    dates_ms: Moments
    middles_ms: Moments
    opens_ms: Moments
    closes_ms: Moments

    @classmethod
    def of(cls, name: str, known: TimeSpan, sessions: Iterable[Session]) -> MarketSessions:
        """From sessions in any order; one without hours is none, and hours may overlap."""
        held = sorted((one for one in sessions if one.hours), key=lambda one: one.date_ms)
        hours = union(span for one in held for span in one.hours)
        middles = [(one.hours[0].start_ms + one.hours[-1].end_ms) // 2 for one in held]
        return cls(
            name,
            known,
            np.array([one.date_ms for one in held], np.int64),
            np.sort(np.array(middles, np.int64)),
            np.array([span.start_ms for span in hours], np.int64),
            np.array([span.end_ms for span in hours], np.int64),
        )

    def expected(self, dataset: Dataset, span: TimeSpan) -> list[TimeSpan]:
        """The runs of bars that hold open time, inside the span. Raises ValueError outside of `known`.

        A bar shorter than a day is expected where it meets open hours: an hourly bar from 14:00 although
        the market opens at 14:30. Of longer ones, each that holds a session. On a grid that opens at
        midnight UTC a bar stands for a date, so it is the session's date; on any other grid it is the bar
        that holds the session's middle: Sydney opens on the evening before, by UTC.
        """
        aligned = dataset.align(span)
        if not aligned:
            return []
        if not self.known.covers(aligned):
            raise ValueError(f"the sessions of {self.name} are told for {self.known}, not for all of {aligned}")
        starts, ends = self._bars(dataset)
        first = int(np.searchsorted(ends, aligned.start_ms, side="right"))
        last = int(np.searchsorted(starts, aligned.end_ms, side="left"))
        starts = np.maximum(starts[first:last], aligned.start_ms)
        ends = np.minimum(ends[first:last], aligned.end_ms)
        return _joined(starts, ends)

    def _bars(self, dataset: Dataset) -> tuple[Moments, Moments]:
        duration_ms = dataset.interval.duration_ms
        if duration_ms < DAY_MS:
            opening = (self.opens_ms - dataset.anchor_ms) // duration_ms
            closing = -((dataset.anchor_ms - self.closes_ms) // duration_ms)
        else:
            moments = self.middles_ms if dataset.anchor_ms % DAY_MS else self.dates_ms
            opening = (moments - dataset.anchor_ms) // duration_ms
            closing = opening + 1
        return opening * duration_ms + dataset.anchor_ms, closing * duration_ms + dataset.anchor_ms


def common(left: Sequence[TimeSpan], right: Sequence[TimeSpan]) -> list[TimeSpan]:
    """The moments in both; each is sorted and disjoint, and so is the result. One pass."""
    both: list[TimeSpan] = []
    mine = theirs = 0
    while mine < len(left) and theirs < len(right):
        start_ms = max(left[mine].start_ms, right[theirs].start_ms)
        end_ms = min(left[mine].end_ms, right[theirs].end_ms)
        if start_ms < end_ms:
            both.append(TimeSpan(start_ms, end_ms))
        if left[mine].end_ms < right[theirs].end_ms:
            mine += 1
        else:
            theirs += 1
    return both


def difference(left: Sequence[TimeSpan], right: Sequence[TimeSpan]) -> list[TimeSpan]:
    """The moments in `left` only; each is sorted and disjoint, and so is the result."""
    if not left:
        return []
    return common(left, TimeSpan(left[0].start_ms, left[-1].end_ms).subtract(right))


def grouped(spans: Sequence[TimeSpan], longest_ms: int) -> list[TimeSpan]:
    """Sorted, disjoint spans in as few pieces of at most `longest_ms` as hold them all, what lies between included."""
    groups: list[TimeSpan] = []
    for span in spans:
        rest = span
        if groups and span.start_ms < groups[-1].start_ms + longest_ms:
            last_ms = min(span.end_ms, groups[-1].start_ms + longest_ms)
            groups[-1] = TimeSpan(groups[-1].start_ms, last_ms)
            rest = TimeSpan(last_ms, span.end_ms)
        groups += rest.pages(longest_ms)
    return groups


def bars_in(spans: Iterable[TimeSpan], dataset: Dataset) -> int:
    """How many bars the spans hold; each lies on the dataset's grid."""
    return sum(span.duration_ms for span in spans) // dataset.interval.duration_ms


def openings_in(spans: Sequence[TimeSpan], dataset: Dataset) -> Moments:
    """Every opening in the spans, sorted; each span lies on the dataset's grid."""
    duration_ms = dataset.interval.duration_ms
    runs = [np.arange(span.start_ms, span.end_ms, duration_ms, dtype=np.int64) for span in spans]
    return np.concatenate(runs) if runs else np.empty(0, np.int64)


def _joined(starts: Moments, ends: Moments) -> list[TimeSpan]:
    """Sorted spans that may touch or overlap, as runs that do not."""
    if not len(starts):
        return []
    begins = np.append(True, starts[1:] > np.maximum.accumulate(ends)[:-1])
    lasts = np.append(np.flatnonzero(begins)[1:], len(ends)) - 1
    return [
        TimeSpan(start_ms, end_ms)
        for start_ms, end_ms in zip(starts[begins].tolist(), np.maximum.accumulate(ends)[lasts].tolist(), strict=True)
    ]
