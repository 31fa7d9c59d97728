"""Coverage: what is known of a span, and what has still to be requested."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.candles.span_states import NO_STATES, SpanStates
from domain.spans.grid import Grid
from domain.spans.span_set import NO_SPANS, SpanSet
from domain.spans.time_span import TimeSpan


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is known of `span`, by state; each moment is in one at most.

    `stored` has final candles: each of its spans is an unbroken run of bars, from an opening to the close
    of the last. `denied` was answered and has none. `provisional` was answered too early to be final, with bars
    or without. `SpanStates` tells of the others. All lie inside `span`. What is in none was never asked: a hole
    in the middle is missing and will be fetched, a holiday that was answered will not.

    `denied_without_evidence` is what of `denied` an earlier version took at its first word.
    """

    span: TimeSpan
    stored: SpanSet = NO_SPANS
    denied: SpanSet = NO_SPANS
    provisional: SpanSet = NO_SPANS
    refused: SpanSet = NO_SPANS
    unlisted: SpanSet = NO_SPANS
    out_of_reach: SpanSet = NO_SPANS
    doubtful: SpanSet = NO_SPANS
    unanswered: SpanSet = NO_SPANS
    denied_without_evidence: SpanSet = NO_SPANS

    @classmethod
    def of(
        cls,
        span: TimeSpan,
        asked: Iterable[TimeSpan],
        openings: NDArray[np.int64],
        grid: Grid,
        provisional: Iterable[TimeSpan] = (),
        states: SpanStates = NO_STATES,
    ) -> Coverage:
        """From the spans that were answered and the sorted openings of what came; all on one grid."""
        return cls.from_runs(span, asked, grid.runs_of(openings), provisional, states)

    @classmethod
    def from_runs(
        cls,
        span: TimeSpan,
        asked: Iterable[TimeSpan],
        runs: Iterable[TimeSpan],
        provisional: Iterable[TimeSpan] = (),
        states: SpanStates = NO_STATES,
    ) -> Coverage:
        """From the spans that were answered, the runs of consecutive bars in them, what of them is provisional,
        and what else is known, each in any order."""
        answered, bars, unsettled = (SpanSet(spans).within(span) for spans in (asked, runs, provisional))
        stored, empty = bars - unsettled, answered - (bars | unsettled)
        if not states:
            return cls(span, stored, empty, unsettled, denied_without_evidence=empty)
        told = states.within(span) - (bars | unsettled)
        denied, others = empty - told.refused, told - answered
        return cls(
            span,
            stored,
            denied,
            unsettled,
            told.refused & empty,
            others.unlisted,
            others.out_of_reach,
            others.doubtful,
            others.unanswered,
            denied - told.denied,
        )

    @property
    def missing(self) -> SpanSet:
        """What the next `collect` has to ask: never asked, not answered, or denied once. Empty: proven complete."""
        return SpanSet([self.span]) - self.answered - self.unlisted - self.out_of_reach

    @property
    def never_asked(self) -> SpanSet:
        """What of the missing was never asked at all."""
        return self.missing - self.doubtful - self.unanswered

    @property
    def answered(self) -> SpanSet:
        """What has been answered in full, also where that was too early to be final."""
        return SpanSet((*self.stored, *self.denied, *self.provisional, *self.refused))

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
