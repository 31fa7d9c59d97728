"""CalendarGrid: bars that open where a calendar has them, like the days of New York."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.spans.grid import ALL_TIME, Grid, Mask, Timestamps, runs_between
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan, from_milliseconds


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CalendarGrid:
    """Bars as a calendar has them, like the days of New York: 23, 24 or 25 hours long.

    `starts_ms` and `ends_ms` are those of the bars of a stretch, or of several with nothing known in between:
    whoever has them needs no time zone. The name says which grid it is ("1d@America/New_York", "1M"): two grids
    of one name are equal, and one of them may know more. That keeps a dataset cheap as a key, and lets a file
    know no more than the bars it holds.
    """

    name: str
    starts_ms: Timestamps
    ends_ms: Timestamps

    def __post_init__(self) -> None:
        is_sound = len(self.starts_ms) == len(self.ends_ms) and bool(np.all(self.starts_ms < self.ends_ms))
        if not is_sound or bool(np.any(self.starts_ms[1:] < self.ends_ms[:-1])):
            raise ValueError(f"the bars of the grid {self.name} must follow each other in time")

    @classmethod
    def of(cls, name: str, openings: Iterable[int] | Timestamps, end_ms: int) -> CalendarGrid:
        """From the sorted openings of one stretch, and the end of the last bar."""
        edges = np.array([*openings, end_ms], np.int64)
        return cls(name, edges[:-1], edges[1:])

    @classmethod
    def unknown(cls, name: str) -> CalendarGrid:
        """Of which nothing is known yet but the name."""
        return cls(name, np.empty(0, np.int64), np.empty(0, np.int64))

    @classmethod
    def unpacked(cls, name: str, *stretches: tuple[int, ...]) -> CalendarGrid:
        """What `packed` gave."""
        edges = [np.cumsum(np.append(first, np.repeat(rest[::2], rest[1::2]))) for first, *rest in stretches]
        if not edges:
            return cls.unknown(name)
        starts, ends = (np.concatenate([stretch[part] for stretch in edges]) for part in (slice(-1), slice(1, None)))
        return cls(name, starts, ends)

    @property
    def packed(self) -> tuple[tuple[int, ...], ...]:
        """Each stretch as its first opening, then in turn: how long bars are, and how many such follow each other."""
        return tuple(self._packed(stretch) for stretch in runs_between(self.starts_ms, self.ends_ms))

    @property
    def key(self) -> str:
        return self.name

    @property
    def known(self) -> TimeSpan:
        return TimeSpan(int(self.starts_ms[0]), int(self.ends_ms[-1])) if len(self.starts_ms) else TimeSpan(0, 0)

    def floor(self, moment_ms: int) -> int:
        return int(self.starts_ms[self._bar_of(moment_ms)])

    def ceil(self, moment_ms: int) -> int:
        if not self.known.start_ms <= moment_ms <= self.known.end_ms or not len(self.starts_ms):
            raise self._unknown(moment_ms)
        start, end = (int(np.searchsorted(edges, moment_ms)) for edges in (self.starts_ms, self.ends_ms))
        return int(min([self.ends_ms[end], *self.starts_ms[start : start + 1]]))

    def next(self, moment_ms: int) -> int:
        return int(self.ends_ms[self._bar_of(moment_ms)])

    def later(self, opening_ms: int, bars: int) -> int:
        last = self._bar_of(opening_ms) + bars - 1
        if last >= len(self.ends_ms):
            raise ValueError(f"the grid {self.name} knows fewer than {bars} bars from {_text(opening_ms)} on")
        return int(self.ends_ms[last])

    def align(self, span: TimeSpan) -> TimeSpan:
        start_ms = self.known.start_ms if span.start_ms == ALL_TIME.start_ms else self.ceil(span.start_ms)
        end_ms = self.known.end_ms if span.end_ms == ALL_TIME.end_ms else self.ceil(span.end_ms)
        return TimeSpan(start_ms, max(start_ms, end_ms))

    def count(self, spans: Iterable[TimeSpan]) -> int:
        return sum(len(range(*self._bars_in(span))) for span in spans)

    def openings(self, spans: Iterable[TimeSpan]) -> Timestamps:
        runs = [self.starts_ms[slice(*self._bars_in(span))] for span in spans]
        return np.concatenate(runs) if runs else np.empty(0, np.int64)

    def runs_of(self, openings: Timestamps) -> SpanSet:
        is_opening = self.are_openings(openings)
        if not is_opening.all():
            raise ValueError(f"no bar of the grid {self.name} opens at {openings[~is_opening][0]} ms")
        return runs_between(openings, self.ends(openings))

    def floors(self, moments: Timestamps) -> Timestamps:
        return self.starts_ms[self._bars_of(moments)]

    def ends(self, moments: Timestamps) -> Timestamps:
        return self.ends_ms[self._bars_of(moments)]

    def are_openings(self, moments: Timestamps) -> Mask:
        if not len(self.starts_ms):
            return np.zeros(len(moments), np.bool_)
        places = np.searchsorted(self.starts_ms, moments)
        return np.asarray(self.starts_ms[np.minimum(places, len(self.starts_ms) - 1)] == moments)

    def positions(self, edges: Timestamps) -> Timestamps:
        self._require_one_stretch()
        places = np.searchsorted(self._edges, edges)
        if not np.array_equal(self._edges[np.minimum(places, len(self.starts_ms))], edges):
            raise ValueError(f"a span does not begin and end on the grid {self.name}")
        return places.astype(np.int64)

    def edges(self, positions: Timestamps) -> Timestamps:
        self._require_one_stretch()
        if np.any(positions < 0) or np.any(positions > len(self.starts_ms)):
            raise ValueError(f"the grid {self.name} has no more than {len(self.starts_ms)} bars in {self.known}")
        return self._edges[positions]

    def joined(self, other: Grid) -> Grid:
        if not isinstance(other, CalendarGrid) or other.name != self.name:
            raise ValueError(f"{self} and {other} are two grids")
        for wide, narrow in ((self, other), (other, self)):
            if narrow is wide or narrow._is_part_of(wide):
                return wide
        starts = np.concatenate([self.starts_ms, other.starts_ms])
        ends = np.concatenate([self.ends_ms, other.ends_ms])
        each, first = np.unique(starts, return_index=True)
        both = ends[first]
        if np.any(each[1:] < both[:-1]) or not np.array_equal(both[np.searchsorted(each, starts)], ends):
            raise ValueError(f"{self} and {other} have bars open at different times")
        return CalendarGrid(self.name, each, both)

    def within(self, span: TimeSpan) -> CalendarGrid:
        """The same grid, knowing the bars that open in the span."""
        part = slice(*np.searchsorted(self.starts_ms, [span.start_ms, span.end_ms]).tolist())
        return CalendarGrid(self.name, self.starts_ms[part], self.ends_ms[part])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CalendarGrid) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"CalendarGrid({self.name!r}, {self.known})"

    def __reduce__(self) -> tuple[Callable[..., CalendarGrid], tuple[Any, ...]]:
        """Years of days are a few numbers each: datasets are sent about."""
        return CalendarGrid.unpacked, (self.name, *self.packed)

    @property
    def _edges(self) -> Timestamps:
        return np.append(self.starts_ms, self.ends_ms[-1:])

    def _packed(self, stretch: TimeSpan) -> tuple[int, ...]:
        bars = slice(*self._bars_in(stretch))
        lengths = self.ends_ms[bars] - self.starts_ms[bars]
        first = np.flatnonzero(np.append(True, lengths[1:] != lengths[:-1]))
        counts = np.diff(np.append(first, len(lengths)))
        return (stretch.start_ms, *np.stack([lengths[first], counts], axis=1).ravel().tolist())

    def _is_part_of(self, other: CalendarGrid) -> bool:
        places = np.searchsorted(other.starts_ms, self.starts_ms)
        if len(places) and places[-1] >= len(other.starts_ms):
            return False
        are_same = np.array_equal(other.starts_ms[places], self.starts_ms)
        return are_same and np.array_equal(other.ends_ms[places], self.ends_ms)

    def _bar_of(self, moment_ms: int) -> int:
        bar = int(np.searchsorted(self.starts_ms, moment_ms, side="right")) - 1
        if bar < 0 or moment_ms >= self.ends_ms[bar]:
            raise self._unknown(moment_ms)
        return bar

    def _bars_of(self, moments: Timestamps) -> NDArray[np.intp]:
        bars = np.searchsorted(self.starts_ms, moments, side="right") - 1
        outside = bars < 0
        outside[~outside] = moments[~outside] >= self.ends_ms[bars[~outside]]
        if outside.any():
            raise self._unknown(int(moments[outside][0]))
        return bars

    def _bars_in(self, span: TimeSpan) -> tuple[int, int]:
        if not self.known.covers(span):
            raise self._unknown(span.start_ms if span.start_ms not in self.known else span.end_ms)
        first, last = np.searchsorted(self.starts_ms, [span.start_ms, span.end_ms])
        return int(first), int(last)

    def _require_one_stretch(self) -> None:
        if not np.array_equal(self.starts_ms[1:], self.ends_ms[:-1]):
            raise ValueError(f"the grid {self.name} does not know all of {self.known}")

    def _unknown(self, moment_ms: int) -> ValueError:
        return ValueError(f"the grid {self.name} knows where bars open in {self.known} only, not at {_text(moment_ms)}")


def _text(moment_ms: int) -> str:
    try:
        return from_milliseconds(moment_ms).isoformat()
    except OverflowError:
        return f"{moment_ms} ms"
