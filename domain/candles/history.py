"""CandleHistory: a dataset's candles with all that is known of them; the rules by which an answer changes it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from domain.candles.candles import Candles
from domain.candles.coverage import Coverage
from domain.candles.known_spans import KnownSpans
from domain.candles.revisions import ReplacedBars, Revisions
from domain.spans.span_set import NO_SPANS, SpanSet
from domain.spans.time_span import TimeSpan

ALWAYS_KNOWN_MS = 0
"""The time of an answer that came with none: known ever since 1970."""


@dataclass(frozen=True, slots=True)
class SaveResult:
    """What a save changed: bars that were not there, and bars that were there with other values."""

    added: int
    replaced: int


@dataclass(frozen=True, eq=False)
class CandleHistory:
    """One dataset's candles, or those of one period: immutable, an answer makes another.

    `known` holds the spans that were answered and since when; `provisional` those of them whose answer
    came before it could be final; `candles` the newest values; `replaced` the older ones. All spans are
    on the dataset's grid. An answer never takes a bar away: one that the broker no longer sends stays.
    """

    interval_ms: int
    known: KnownSpans = field(default_factory=KnownSpans.nothing)
    provisional: SpanSet = NO_SPANS
    candles: Candles = field(default_factory=Candles.empty)
    replaced: ReplacedBars = field(default_factory=ReplacedBars.none)

    def with_answer(
        self, asked: TimeSpan, newer: Candles, provisional_from_ms: int | None, as_of_ms: int
    ) -> CandleHistory:
        """After the broker answered `asked` with these candles, all inside of it.

        Bars that open at or after `provisional_from_ms` may still change. Where a bar comes with other values, the
        old ones are kept; its replacement is never dated before the time it became known.
        """
        old, new = _shared(self.candles, newer)
        merged = self.candles.merge(newer)
        changed = self.candles.take(old[_differ(self.candles, merged, old)])
        late = newer.open_time_ms[~new & self.known.holds(newer.open_time_ms)]
        first_provisional_ms = asked.end_ms if provisional_from_ms is None else provisional_from_ms
        marked = asked.intersect(TimeSpan(first_provisional_ms, max(first_provisional_ms, asked.end_ms)))
        return CandleHistory(
            self.interval_ms,
            self.known.answered(asked, as_of_ms).changed(late, self.interval_ms, as_of_ms),
            (self.provisional - SpanSet([asked])) | SpanSet([marked]),
            merged,
            self.replaced.followed_by(changed, self._replaced_at(changed.open_time_ms, as_of_ms)),
        )

    def compared_to(self, before: CandleHistory) -> SaveResult:
        """What an answer changed."""
        return SaveResult(len(self.candles) - len(before.candles), len(self.replaced) - len(before.replaced))

    def identical(self, other: CandleHistory) -> bool:
        """Whether both know the same, bit for bit."""
        return (
            self.provisional == other.provisional
            and len(self.replaced) == len(other.replaced)
            and self.known.identical(other.known)
            and self.candles.identical(other.candles)
        )

    def coverage(self, span: TimeSpan) -> Coverage:
        """What of the span is stored, confirmed empty or provisional."""
        return Coverage.of(span, self.known.spans, self.candles.open_time_ms, self.interval_ms, self.provisional)

    def as_of(self, moment_ms: int) -> Candles:
        """The candles as a reader would have seen them at that moment."""
        seen = self.candles.merge(self.replaced.in_force_at(moment_ms))
        return seen.take(self.known.since(seen.open_time_ms) <= moment_ms)

    def revisions(self, span: TimeSpan) -> Revisions:
        """What was changed of the bars that open in the span."""
        return self.replaced.within(span).revisions(self.candles)

    def _replaced_at(self, openings: NDArray[np.int64], as_of_ms: int) -> NDArray[np.int64]:
        if not len(openings):
            return openings
        return np.maximum(as_of_ms, np.maximum(self.known.since(openings), self.replaced.latest(openings)))


def _shared(before: Candles, newer: Candles) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Where in `before` the openings are that both have, and which of the newer ones these are."""
    if not len(before):
        return np.empty(0, np.intp), np.zeros(len(newer), np.bool_)
    places = np.searchsorted(before.open_time_ms, newer.open_time_ms)
    is_shared = before.open_time_ms[np.minimum(places, len(before) - 1)] == newer.open_time_ms
    return places[is_shared], is_shared


def _differ(before: Candles, after: Candles, positions: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which of the bars at these positions of `before` have other values in `after`, in any bit of any column."""
    old = before.take(positions)
    new = after.take(np.searchsorted(after.open_time_ms, old.open_time_ms))
    differs = np.zeros(len(positions), np.bool_)
    before_columns = old.columns()
    for name, column in new.columns().items():
        if name in before_columns:
            differs |= before_columns[name].view(np.int64) != column.view(np.int64)
        else:
            differs[:] = True
    return differs
