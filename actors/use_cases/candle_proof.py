"""CandleProof: what the candle store alone can prove of its datasets, without a broker, a job or Ray."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from domain.candles.certificates import Certificate, ContentHash, block_spans, problems_of
from domain.candles.completeness import Completeness
from domain.candles.coverage import Coverage
from domain.candles.dataset import Dataset
from domain.candles.ports import CandleRepository, TradingCalendar
from domain.candles.validation import QuarantinedCandle, obeys_the_rules, validate
from domain.errors import CorruptSegment
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan

EVERYTHING = TimeSpan(-(2**62), 2**62)
LONGEST_KNOWN_MS = EVERYTHING.duration_ms // 4
"""A damaged file whose span is longer than this may have held any span at all."""

BLOCKS_READ = 16
"""Blocks of 65,536 bars in memory at a time: about 80 MiB."""

NOT_JUDGED = "none"
"""The calendar's name where none is given: every denial of the broker is then believed."""


@dataclass(frozen=True, slots=True)
class Scope:
    """A dataset to check, its span, and its calendar.

    Without a span, everything from the first to the last answer is checked.
    """

    dataset: Dataset
    span: TimeSpan | None
    calendar: str | None
    settle_seconds: int = 0


class CandleProof:
    """Judges datasets by what is on disk; `clock` decides which bars have settled."""

    def __init__(
        self,
        candles: CandleRepository,
        quarantined: Callable[[Dataset], list[QuarantinedCandle]],
        calendar_named: Callable[[str, TimeSpan], TradingCalendar],
        clock: Callable[[], datetime],
    ) -> None:
        self.candles = candles
        self.quarantined = quarantined
        self._calendar_named = calendar_named
        self._clock = clock

    def completeness(self, scope: Scope) -> Completeness:
        """What is stored and what is not, from the files' headers alone; other damage goes unnoticed."""
        try:
            return self._judged(scope, self._coverage(scope))
        except CorruptSegment:
            return self._damaged(scope)

    def certificate(self, scope: Scope) -> Certificate:
        """Read, check and hash everything in the dataset's span."""
        dataset = scope.dataset
        refused, unreadable = self._refused(dataset)
        try:
            coverage = self._coverage(scope)
            completeness = self._judged(scope, coverage)
            content, broken, runs = ContentHash(dataset), Counter[str](), list[TimeSpan]()
            for piece in block_spans(dataset, coverage.span, BLOCKS_READ):
                candles = self.candles.read(dataset, piece)
                content.add(candles)
                runs += dataset.grid.runs_of(candles.open_time_ms)
                if not obeys_the_rules(candles, dataset, piece):
                    broken += validate(candles, dataset, piece, EVERYTHING.end_ms, may_be_negative=True).reasons
        except CorruptSegment:
            completeness = self._damaged(scope)
            return Certificate(completeness, 0, refused, "", (*problems_of(completeness, Counter()), *unreadable))
        found = SpanSet(runs)
        problems = problems_of(completeness, broken, _mismatch(coverage, found))
        return Certificate(completeness, dataset.count(found), refused, content.text(), (*problems, *unreadable))

    def _refused(self, dataset: Dataset) -> tuple[int, list[str]]:
        """How many bars were refused, and the damage of the quarantine file."""
        try:
            return len(self.quarantined(dataset)), []
        except CorruptSegment as error:
            return 0, [f"{error.path}: {error.reason}"]

    def scopes_of_everything(self, calendar: str | None = None) -> list[Scope]:
        """Every dataset that is stored."""
        return [Scope(dataset, None, calendar) for dataset in self.candles.datasets()]

    def past(self, dataset: Dataset, span: TimeSpan) -> TimeSpan:
        """The part of a span that has closed by now: all that is known of a damaged file is its period."""
        closed_ms = dataset.closed_by(int(self._clock().timestamp() * 1000))
        return span.intersect(TimeSpan(min(span.start_ms, closed_ms), closed_ms))

    def _coverage(self, scope: Scope) -> Coverage:
        if scope.span is not None:
            return self.candles.coverage(scope.dataset, scope.span)
        everything = self.candles.coverage(scope.dataset, EVERYTHING)
        return self.candles.coverage(scope.dataset, everything.answered.extent)

    def _judged(self, scope: Scope, coverage: Coverage) -> Completeness:
        settled_before_ms = scope.dataset.closed_by(int(self._clock().timestamp() * 1000) - scope.settle_seconds * 1000)
        if scope.calendar is None:
            present = coverage.stored | coverage.provisional
            return Completeness.of(scope.dataset, coverage, NOT_JUDGED, present, EVERYTHING.start_ms)
        expected = self._calendar_named(scope.calendar, coverage.span).expected(scope.dataset, coverage.span)
        return Completeness.of(scope.dataset, coverage, scope.calendar, expected, settled_before_ms)

    def _damaged(self, scope: Scope) -> Completeness:
        """The completeness of a dataset with damaged files: which they are, and what was lost with them."""
        damaged = tuple(self.candles.damaged(scope.dataset))
        # A file whose header is damaged, too, may have held anything: no span can be given.
        lost = SpanSet(
            self.past(scope.dataset, damage.lost) for damage in damaged if damage.lost.duration_ms < LONGEST_KNOWN_MS
        )
        span = lost.extent
        if scope.span is not None:
            span, lost = scope.dataset.align(scope.span), SpanSet(damage.lost for damage in damaged)
        nothing, missing = SpanSet(), lost.within(span)
        return Completeness(
            scope.dataset, span, scope.calendar or NOT_JUDGED, nothing, missing=missing, damaged=damaged
        )


def _mismatch(coverage: Coverage, found: SpanSet) -> str:
    if found - coverage.provisional == coverage.stored:
        return ""
    return "the stored bars are not those that the files' headers name"
