"""Coverage: what is known of a span, and what has still to be asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.timespan import TimeSpan, union


@dataclass(frozen=True, slots=True)
class Coverage:
    """What of `span` was asked and answered in full, in three states; each moment is in one at most.

    `stored` has final candles: each of its spans is an unbroken run of bars, from an opening to the close
    of the last. `confirmed_empty` was asked and has none. `provisional` was answered too early to be
    final, with bars or without. All are sorted, disjoint and inside `span`. What is in none was never
    asked: a hole in the middle is missing and will be fetched, a holiday that was asked for is not.
    """

    span: TimeSpan
    stored: tuple[TimeSpan, ...] = ()
    confirmed_empty: tuple[TimeSpan, ...] = ()
    provisional: tuple[TimeSpan, ...] = ()

    @classmethod
    def of(
        cls,
        span: TimeSpan,
        asked: Iterable[TimeSpan],
        openings: NDArray[np.int64],
        interval_ms: int,
        provisional: Iterable[TimeSpan] = (),
    ) -> Coverage:
        """From the spans that were answered and the sorted openings of what came; all on one grid."""
        return cls.from_runs(span, asked, runs_of(openings, interval_ms), provisional)

    @classmethod
    def from_runs(
        cls,
        span: TimeSpan,
        asked: Iterable[TimeSpan],
        runs: Iterable[TimeSpan],
        provisional: Iterable[TimeSpan] = (),
    ) -> Coverage:
        """From the spans that were answered, the runs of consecutive bars in them and what of them is
        provisional, each in any order."""
        bars, unsettled = _inside(span, union(runs)), _inside(span, union(provisional))
        empty = _without(_inside(span, union(asked)), bars)
        return cls(span, tuple(_without(bars, unsettled)), tuple(_without(empty, unsettled)), tuple(unsettled))

    @property
    def missing(self) -> list[TimeSpan]:
        """What has never been answered, in order; empty means: proven complete."""
        return self.span.subtract((*self.stored, *self.confirmed_empty, *self.provisional))

    def to_ask(self, settled_before_ms: int) -> list[TimeSpan]:
        """What has to be asked now: what is missing, and what is provisional though its bars, closed by
        that moment, have settled."""
        return union([*self.missing, *self.due(settled_before_ms)])

    def due(self, settled_before_ms: int) -> list[TimeSpan]:
        """The provisional spans whose bars have settled by now: they opened before that moment on the grid."""
        end_ms = max(self.span.start_ms, settled_before_ms)
        return _inside(TimeSpan(self.span.start_ms, end_ms), self.provisional)

    @property
    def is_complete(self) -> bool:
        return not self.missing


def runs_of(openings: NDArray[np.int64], interval_ms: int) -> list[TimeSpan]:
    """Sorted openings as spans of consecutive bars: a gap of even one bar begins another span."""
    if not len(openings):
        return []
    breaks = np.flatnonzero(np.diff(openings) != interval_ms)
    starts = openings[np.concatenate(([0], breaks + 1))].tolist()
    ends = (openings[np.concatenate((breaks, [len(openings) - 1]))] + interval_ms).tolist()
    return [TimeSpan(start_ms, end_ms) for start_ms, end_ms in zip(starts, ends, strict=True)]


def _inside(span: TimeSpan, pieces: Sequence[TimeSpan]) -> list[TimeSpan]:
    return [
        piece if span.covers(piece) else span.intersect(piece)
        for piece in pieces
        if span and piece.start_ms < span.end_ms and piece.end_ms > span.start_ms
    ]


def _without(spans: Sequence[TimeSpan], taken: Sequence[TimeSpan]) -> list[TimeSpan]:
    """Sorted disjoint spans less sorted disjoint spans, in one pass: years of daily bars have hundreds."""
    left: list[TimeSpan] = []
    first = 0
    for span in spans:
        at_ms = span.start_ms
        while first < len(taken) and taken[first].end_ms <= at_ms:
            first += 1
        position = first
        while position < len(taken) and taken[position].start_ms < span.end_ms:
            if taken[position].start_ms > at_ms:
                left.append(TimeSpan(at_ms, taken[position].start_ms))
            at_ms = taken[position].end_ms
            position += 1
        if at_ms < span.end_ms:
            left.append(TimeSpan(at_ms, span.end_ms))
    return left
