"""SpanStates: what is known of spans in which no bar is stored, and how it came to be known."""

from __future__ import annotations

from dataclasses import dataclass, fields

from domain.spans.span_set import NO_SPANS, SpanSet
from domain.spans.time_span import TimeSpan


@dataclass(frozen=True, slots=True)
class SpanStates:
    """Spans by what is known of them beside bars; each moment is in one at most.

    Answered, and settled: `denied` on evidence, `refused` (a bar came and was quarantined). Settled without an
    answer: `unlisted` (before or after the symbol's listing), `out_of_reach` (further back than the broker tells).
    Neither: `doubtful` (denied once), `unanswered` (asked, and no try brought an answer).
    """

    denied: SpanSet = NO_SPANS
    refused: SpanSet = NO_SPANS
    unlisted: SpanSet = NO_SPANS
    out_of_reach: SpanSet = NO_SPANS
    doubtful: SpanSet = NO_SPANS
    unanswered: SpanSet = NO_SPANS

    @property
    def without_answer(self) -> SpanSet:
        """What no answer is known of."""
        return self.unlisted | self.out_of_reach | self.doubtful | self.unanswered

    def within(self, span: TimeSpan) -> SpanStates:
        """What of them lies in the span."""
        return SpanStates(*(state.within(span) for state in self.all())) if self else NO_STATES

    def __sub__(self, spans: SpanSet) -> SpanStates:
        """The same, but for these spans."""
        return SpanStates(*(state - spans for state in self.all())) if self and spans else self

    def __or__(self, other: SpanStates) -> SpanStates:
        """Both together; they have nothing in common."""
        if not self or not other:
            return self or other
        return SpanStates(*(mine | theirs for mine, theirs in zip(self.all(), other.all(), strict=True)))

    def all(self) -> tuple[SpanSet, ...]:
        """The spans of each state, in the order of `STATES`."""
        return tuple(getattr(self, name) for name in STATES)

    def __bool__(self) -> bool:
        return self is not NO_STATES and any(self.all())

    def __post_init__(self) -> None:
        spans = [span for state in self.all() for span in state]
        if sum(span.duration_ms for span in spans) != SpanSet(spans).duration_ms:
            raise ValueError("a span is in two states at once")


STATES = tuple(field.name for field in fields(SpanStates))
NO_STATES = SpanStates()
