"""CandleHistory: a dataset's candles with all that is known of them; the rules by which an answer changes it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from domain.candles.bar_sources import NO_SOURCES, BarSources
from domain.candles.candles import Candles
from domain.candles.coverage import Coverage
from domain.candles.known_spans import KnownSpans
from domain.candles.listings import Listing
from domain.candles.revisions import ReplacedBars, Revisions
from domain.candles.span_states import NO_STATES, SpanStates
from domain.spans.grid import Grid
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
    came before it could be final; `candles` the newest values; `replaced` the older ones; `states` what is known
    of spans without bars, `listings` what was told of the symbol's first and last, and `sources` where bars came
    from. All spans are on the grid. An answer never takes a bar away: one that the broker no longer sends stays.
    """

    grid: Grid
    known: KnownSpans = field(default_factory=KnownSpans.nothing)
    provisional: SpanSet = NO_SPANS
    candles: Candles = field(default_factory=Candles.empty)
    replaced: ReplacedBars = field(default_factory=ReplacedBars.none)
    states: SpanStates = NO_STATES
    listings: tuple[Listing, ...] = ()
    sources: BarSources = NO_SOURCES

    def with_answer(
        self,
        asked: TimeSpan,
        newer: Candles,
        provisional_from_ms: int | None,
        as_of_ms: int,
        states: SpanStates = NO_STATES,
        source: str = "",
    ) -> CandleHistory:
        """After the broker answered `asked` with these candles, all inside of it.

        Bars that open at or after `provisional_from_ms` may still change. Where a bar comes with other values, the
        old ones are kept; its replacement is never dated before the time it became known. `states` is what else is
        known of spans inside of `asked` now; where a bar is stored they say nothing. `source` is where the candles
        came from, if that is to be remembered.
        """
        old, new = _shared(self.candles, newer)
        merged = self.candles.merge(newer)
        changed = self.candles.take(old[_differ(self.candles, merged, old)])
        late = newer.open_time_ms[~new & self.known.holds(newer.open_time_ms)]
        first_provisional_ms = asked.end_ms if provisional_from_ms is None else provisional_from_ms
        marked = asked.intersect(TimeSpan(first_provisional_ms, max(first_provisional_ms, asked.end_ms)))
        known = self.known.answered(asked, as_of_ms)
        if len(late):
            known = known.changed(late, self.grid.ends(late), as_of_ms)
        told = states.within(asked) - self.grid.runs_of(merged.within(asked).open_time_ms) if states else NO_STATES
        without_answer = told.without_answer
        came = self.grid.runs_of(newer.open_time_ms) if source or self.sources else NO_SPANS
        return CandleHistory(
            self.grid,
            known.without(without_answer),
            (self.provisional - SpanSet([asked])) | (SpanSet([marked]) - without_answer),
            merged,
            self.replaced.followed_by(changed, self._replaced_at(changed.open_time_ms, as_of_ms)),
            (self.states - SpanSet([asked])) | told,
            self.listings,
            self.sources.with_bars(came, source),
        )

    def with_listing(self, listing: Listing) -> CandleHistory:
        """After somebody told of the symbol's listing; what the same one told before is forgotten."""
        others = (one for one in self.listings if one.said_by != listing.said_by)
        return replace(self, listings=(*others, listing))

    def knowing(self, grid: Grid) -> CandleHistory:
        """The same, with all that either grid knows. Raises ValueError when the two are not one grid."""
        return replace(self, grid=self.grid.joined(grid))

    def compared_to(self, before: CandleHistory) -> SaveResult:
        """What an answer changed."""
        return SaveResult(len(self.candles) - len(before.candles), len(self.replaced) - len(before.replaced))

    def identical(self, other: CandleHistory) -> bool:
        """Whether both know the same, bit for bit."""
        return (
            self.provisional == other.provisional
            and self.states == other.states
            and self.listings == other.listings
            and self.sources == other.sources
            and len(self.replaced) == len(other.replaced)
            and self.known.identical(other.known)
            and self.candles.identical(other.candles)
        )

    def coverage(self, span: TimeSpan) -> Coverage:
        """What is known of the span, by state."""
        openings = self.candles.open_time_ms
        return Coverage.of(span, self.known.spans, openings, self.grid, self.provisional, self.states)

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
