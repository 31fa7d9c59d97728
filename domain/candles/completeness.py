"""Completeness: what of a dataset's span is there, and what is not, compared with a calendar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.candles.coverage import Coverage
from domain.candles.dataset import Dataset
from domain.candles.ports import DamagedSegment
from domain.spans.span_set import NO_SPANS, SpanSet
from domain.spans.time_span import TimeSpan


@dataclass(frozen=True, slots=True)
class Completeness:
    """One dataset's span, judged by what is stored; all spans are on its grid.

    `missing` was never answered. `gaps` were answered with nothing although the calendar expects bars,
    `closed` with nothing while it expects none. `unexpected` bars are there although it expects none: the
    calendar is suspect, not the bars. `provisional` may still change; `due` is the part of it that should have
    been requested again by now. Of the `refused` bars came that were quarantined; `out_of_reach` is further back
    than the broker tells, `unlisted` before or after the symbol's listing. `damaged` can no longer be read, so
    what it held is missing.
    """

    dataset: Dataset
    span: TimeSpan
    calendar: str
    expected: SpanSet
    stored: SpanSet = NO_SPANS
    missing: SpanSet = NO_SPANS
    gaps: SpanSet = NO_SPANS
    closed: SpanSet = NO_SPANS
    unexpected: SpanSet = NO_SPANS
    provisional: SpanSet = NO_SPANS
    due: SpanSet = NO_SPANS
    refused: SpanSet = NO_SPANS
    out_of_reach: SpanSet = NO_SPANS
    unlisted: SpanSet = NO_SPANS
    damaged: tuple[DamagedSegment, ...] = ()

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        coverage: Coverage,
        calendar: str,
        expected: SpanSet,
        settled_before_ms: int,
        damaged: Sequence[DamagedSegment] = (),
    ) -> Completeness:
        """From what is known of the span, what is expected in it, and what of the store is damaged."""
        lost = [damage.lost for damage in damaged]
        return cls(
            dataset,
            coverage.span,
            calendar,
            expected=expected,
            stored=coverage.stored,
            missing=(coverage.missing | SpanSet(lost)).within(coverage.span),
            gaps=coverage.denied & expected,
            closed=coverage.denied - expected,
            unexpected=coverage.stored - expected,
            provisional=coverage.provisional,
            due=coverage.due(settled_before_ms),
            refused=coverage.refused,
            out_of_reach=coverage.out_of_reach,
            unlisted=coverage.unlisted,
            damaged=tuple(damaged),
        )

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to be requested: gaps are answers."""
        return not self.missing and not self.due and not self.damaged

    @property
    def needs_repair(self) -> bool:
        """Whether requesting again could bring anything."""
        return not self.is_complete or bool(self.gaps or self.refused or self.out_of_reach)

    @property
    def gap_runs(self) -> list[tuple[TimeSpan, int]]:
        """Gaps as a person counts them, each with its bars: nights and weekends do not divide one."""
        closed = set(self.closed)
        runs: list[tuple[TimeSpan, int]] = []
        for gap in self.gaps:
            if runs and TimeSpan(runs[-1][0].end_ms, gap.start_ms) in closed:
                earlier, bars = runs.pop()
                runs.append((TimeSpan(earlier.start_ms, gap.end_ms), bars + self.bars([gap])))
            else:
                runs.append((gap, self.bars([gap])))
        return runs

    def bars(self, spans: Sequence[TimeSpan]) -> int:
        """How many bars the spans have room for."""
        return self.dataset.count(spans)
