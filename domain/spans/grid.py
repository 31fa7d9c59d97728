"""Grid: where bars may open; FixedGrid: at equal steps. What a calendar knows is in calendar_grid.py."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan

Timestamps = NDArray[np.int64]
Mask = NDArray[np.bool_]

ALL_TIME = TimeSpan(-(2**62), 2**62)
"""Every moment there is: as much of it as a grid knows."""


class Grid(Protocol):
    """Bars that follow each other, each from its opening to the next one's.

    An *edge* is an opening, or the end of the last bar that is known. Every method raises ValueError for a
    moment of which the grid does not know; only `align` takes `ALL_TIME`, and then gives what is known of it.
    """

    @property
    def key(self) -> int | str:
        """What tells it from the other grids of bars of that length: an anchor, or a name."""

    @property
    def known(self) -> TimeSpan:
        """From the first opening to the end of the last bar that is known."""

    def floor(self, moment_ms: int) -> int:
        """The opening of the bar that holds the moment."""

    def ceil(self, moment_ms: int) -> int:
        """The first edge at or after the moment."""

    def next(self, moment_ms: int) -> int:
        """The end of the bar that holds the moment: the first edge after it."""

    def later(self, opening_ms: int, bars: int) -> int:
        """The end of so many bars that begin with this opening, one at least."""

    def align(self, span: TimeSpan) -> TimeSpan:
        """The same openings, with both ends on edges."""

    def count(self, spans: Iterable[TimeSpan]) -> int:
        """How many openings the spans hold; their ends are edges."""

    def openings(self, spans: Iterable[TimeSpan]) -> Timestamps:
        """Every opening in the spans, in their order; their ends are edges."""

    def runs_of(self, openings: Timestamps) -> SpanSet:
        """Sorted openings as spans of consecutive bars: a gap of even one bar begins another span."""

    def floors(self, moments: Timestamps) -> Timestamps:
        """The opening of the bar that holds each moment."""

    def ends(self, moments: Timestamps) -> Timestamps:
        """The end of the bar that holds each moment."""

    def are_openings(self, moments: Timestamps) -> Mask:
        """Which of any moments are openings; what is not known is none."""

    def positions(self, edges: Timestamps) -> Timestamps:
        """The number of each edge, counted from some edge of the grid. Two edges differ by the bars between them."""

    def edges(self, positions: Timestamps) -> Timestamps:
        """The edges of these numbers."""

    def joined(self, other: Grid) -> Grid:
        """The same grid, knowing what either knows. Raises ValueError when the two are not one grid."""


@dataclass(frozen=True, slots=True)
class FixedGrid:
    """Bars open at `anchor_ms + n * step_ms`, for ever."""

    step_ms: int
    anchor_ms: int = 0

    def __post_init__(self) -> None:
        if self.step_ms <= 0:
            raise ValueError("the bars of a grid must be longer than nothing")

    @property
    def key(self) -> int:
        return self.anchor_ms

    @property
    def known(self) -> TimeSpan:
        return ALL_TIME

    def floor(self, moment_ms: int) -> int:
        return moment_ms - (moment_ms - self.anchor_ms) % self.step_ms

    def ceil(self, moment_ms: int) -> int:
        return moment_ms + (self.anchor_ms - moment_ms) % self.step_ms

    def next(self, moment_ms: int) -> int:
        return self.floor(moment_ms) + self.step_ms

    def later(self, opening_ms: int, bars: int) -> int:
        return opening_ms + bars * self.step_ms

    def align(self, span: TimeSpan) -> TimeSpan:
        start_ms = self.ceil(span.start_ms)
        return TimeSpan(start_ms, max(start_ms, self.ceil(span.end_ms)))

    def count(self, spans: Iterable[TimeSpan]) -> int:
        return sum(span.duration_ms for span in spans) // self.step_ms

    def openings(self, spans: Iterable[TimeSpan]) -> Timestamps:
        runs = [np.arange(span.start_ms, span.end_ms, self.step_ms, dtype=np.int64) for span in spans]
        return np.concatenate(runs) if runs else np.empty(0, np.int64)

    def runs_of(self, openings: Timestamps) -> SpanSet:
        return runs_between(openings, openings + self.step_ms)

    def floors(self, moments: Timestamps) -> Timestamps:
        return moments - (moments - self.anchor_ms) % self.step_ms

    def ends(self, moments: Timestamps) -> Timestamps:
        return self.floors(moments) + self.step_ms

    def are_openings(self, moments: Timestamps) -> Mask:
        return np.asarray(moments % self.step_ms == self.anchor_ms % self.step_ms)

    def positions(self, edges: Timestamps) -> Timestamps:
        return (edges - self.anchor_ms) // self.step_ms

    def edges(self, positions: Timestamps) -> Timestamps:
        return positions * self.step_ms + self.anchor_ms

    def joined(self, other: Grid) -> Grid:
        if other != self:
            raise ValueError(f"{self} and {other} are two grids")
        return self


def runs_between(openings: Timestamps, ends: Timestamps) -> SpanSet:
    """Sorted bars, told by their openings and ends, as spans of those that follow each other."""
    if not len(openings):
        return SpanSet()
    breaks = np.flatnonzero(openings[1:] != ends[:-1])
    starts = openings[np.concatenate(([0], breaks + 1))].tolist()
    return SpanSet(map(TimeSpan, starts, ends[np.concatenate((breaks, [len(openings) - 1]))].tolist()))
