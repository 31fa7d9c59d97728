"""Sessions: when a market is open, and in which bars of a grid candles are therefore expected."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from domain.candles.dataset import Dataset
from domain.spans.grid import FixedGrid, Grid
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan

Timestamps = NDArray[np.int64]

DAY_MS = 86_400_000

ALWAYS_OPEN = "24/7"
"""The calendar of a market that never closes."""


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

    def expected(self, dataset: Dataset, span: TimeSpan) -> SpanSet:
        """The whole span, on the dataset's grid."""
        aligned = dataset.align(span)
        return SpanSet([aligned])


@dataclass(frozen=True, eq=False)
class MarketSessions:
    """A market's sessions as columns: a plain value, which needs no library to be used.

    `known` is the span whose sessions it holds; a span beyond it is refused.
    """

    name: str
    known: TimeSpan
    dates_ms: Timestamps
    middles_ms: Timestamps
    opens_ms: Timestamps
    closes_ms: Timestamps

    @classmethod
    def of(cls, name: str, known: TimeSpan, sessions: Iterable[Session]) -> MarketSessions:
        """From sessions in any order; one without hours is none, and hours may overlap."""
        held = sorted((one for one in sessions if one.hours), key=lambda one: one.date_ms)
        hours = SpanSet(span for one in held for span in one.hours)
        middles = [(one.hours[0].start_ms + one.hours[-1].end_ms) // 2 for one in held]
        return cls(
            name,
            known,
            np.array([one.date_ms for one in held], np.int64),
            np.sort(np.array(middles, np.int64)),
            np.array([span.start_ms for span in hours], np.int64),
            np.array([span.end_ms for span in hours], np.int64),
        )

    def expected(self, dataset: Dataset, span: TimeSpan) -> SpanSet:
        """The runs of bars that hold open time, inside the span. Raises ValueError outside of `known`.

        A bar shorter than a day is expected where it meets open hours: an hourly bar from 14:00 although
        the market opens at 14:30. Of longer ones, each that holds a session. On a grid that opens at
        midnight UTC a bar stands for a date, so it is the session's date; on any other grid it is the bar
        that holds the session's middle: Sydney opens on the evening before, by UTC.
        """
        aligned = dataset.align(span)
        if not aligned:
            return SpanSet()
        if not self.known.covers(aligned):
            raise ValueError(f"the sessions of {self.name} are told for {self.known}, not for all of {aligned}")
        starts, ends = self._bars(dataset, aligned)
        return SpanSet(map(TimeSpan, starts.tolist(), ends.tolist()))

    def _bars(self, dataset: Dataset, aligned: TimeSpan) -> tuple[Timestamps, Timestamps]:
        grid = dataset.grid
        if dataset.interval.is_within_a_day:
            first = int(np.searchsorted(self.closes_ms, aligned.start_ms, side="right"))
            last = int(np.searchsorted(self.opens_ms, aligned.end_ms, side="left"))
            opens = np.maximum(self.opens_ms[first:last], aligned.start_ms)
            closes = np.minimum(self.closes_ms[first:last], aligned.end_ms)
            return grid.floors(opens), grid.ends(closes - 1)
        moments = self.dates_ms if _opens_at_midnight(grid, aligned) else self.middles_ms
        first, last = np.searchsorted(moments, [aligned.start_ms, aligned.end_ms]).tolist()
        return grid.floors(moments[first:last]), grid.ends(moments[first:last])


def _opens_at_midnight(grid: Grid, aligned: TimeSpan) -> bool:
    """Whether every bar opens at midnight UTC."""
    if isinstance(grid, FixedGrid):
        return grid.anchor_ms % DAY_MS == 0
    return not np.any(grid.openings([aligned]) % DAY_MS)
