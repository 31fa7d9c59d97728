"""Coverage: what is known of a span, and what has still to be requested."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.spans.span_set import NO_SPANS, SpanSet
from domain.spans.time_span import TimeSpan


@dataclass(frozen=True, slots=True)
class Coverage:
    """What of `span` was answered in full, in three states; each moment is in one at most.

    `stored` has final candles: each of its spans is an unbroken run of bars, from an opening to the close
    of the last. `confirmed_empty` was answered and has none. `provisional` was answered too early to be
    final, with bars or without. All lie inside `span`. What is in none is missing: a hole in the middle
    will be fetched, a holiday that was answered will not.
    """

    span: TimeSpan
    stored: SpanSet = NO_SPANS
    confirmed_empty: SpanSet = NO_SPANS
    provisional: SpanSet = NO_SPANS

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
        bars, unsettled = SpanSet(runs).within(span), SpanSet(provisional).within(span)
        empty = SpanSet(asked).within(span) - bars
        return cls(span, bars - unsettled, empty - unsettled, unsettled)

    @property
    def missing(self) -> SpanSet:
        """What has never been answered; empty means: proven complete."""
        return SpanSet([self.span]) - self.answered

    @property
    def answered(self) -> SpanSet:
        """What has been answered in full, also where that was too early to be final."""
        return SpanSet((*self.stored, *self.confirmed_empty, *self.provisional))

    def to_ask(self, settled_before_ms: int) -> SpanSet:
        """What has to be requested now: what is missing, and what is provisional although its bars had settled
        by that moment."""
        return self.missing | self.due(settled_before_ms)

    def due(self, settled_before_ms: int) -> SpanSet:
        """The provisional spans whose bars have settled by now: they opened before that moment on the grid."""
        end_ms = max(self.span.start_ms, settled_before_ms)
        return self.provisional.within(TimeSpan(self.span.start_ms, end_ms))

    @property
    def is_complete(self) -> bool:
        return not self.missing


def runs_of(openings: NDArray[np.int64], interval_ms: int) -> SpanSet:
    """Sorted openings as spans of consecutive bars: a gap of even one bar begins another span."""
    if not len(openings):
        return SpanSet()
    breaks = np.flatnonzero(np.diff(openings) != interval_ms)
    starts = openings[np.concatenate(([0], breaks + 1))].tolist()
    ends = (openings[np.concatenate((breaks, [len(openings) - 1]))] + interval_ms).tolist()
    return SpanSet(map(TimeSpan, starts, ends))
