"""SpanSet: a set of moments, and all arithmetic of such sets."""

from __future__ import annotations

from collections.abc import Iterable

from domain.spans.time_span import TimeSpan


class SpanSet(tuple[TimeSpan, ...]):
    """Sorted spans that neither overlap nor touch; none of them is empty.

    `SpanSet(spans)` takes spans in any order, overlapping or not. Every operation is one pass over both sets:
    years of daily bars have thousands of spans.
    """

    __slots__ = ()

    def __new__(cls, spans: Iterable[TimeSpan] = ()) -> SpanSet:
        merged: list[TimeSpan] = []
        for span in sorted(span for span in spans if span):
            if merged and span.start_ms <= merged[-1].end_ms:
                if span.end_ms > merged[-1].end_ms:
                    merged[-1] = TimeSpan(merged[-1].start_ms, span.end_ms)
            else:
                merged.append(span)
        return cls._in_order(merged)

    @classmethod
    def _in_order(cls, spans: Iterable[TimeSpan]) -> SpanSet:
        """From spans that are a set already."""
        return super().__new__(cls, spans)

    @property
    def extent(self) -> TimeSpan:
        """From the first moment to the last; empty for an empty set."""
        return TimeSpan(self[0].start_ms, self[-1].end_ms) if self else TimeSpan(0, 0)

    @property
    def duration_ms(self) -> int:
        """How long all spans are together."""
        return sum(span.duration_ms for span in self)

    def __or__(self, other: SpanSet) -> SpanSet:
        """The moments in either."""
        return SpanSet((*self, *other)) if self and other else self or other

    def __and__(self, other: SpanSet) -> SpanSet:
        """The moments in both."""
        both: list[TimeSpan] = []
        mine = theirs = 0
        while mine < len(self) and theirs < len(other):
            start_ms = max(self[mine].start_ms, other[theirs].start_ms)
            end_ms = min(self[mine].end_ms, other[theirs].end_ms)
            if start_ms < end_ms:
                both.append(TimeSpan(start_ms, end_ms))
            if self[mine].end_ms < other[theirs].end_ms:
                mine += 1
            else:
                theirs += 1
        return self._in_order(both)

    def __sub__(self, other: SpanSet) -> SpanSet:
        """The moments in this set only."""
        left: list[TimeSpan] = []
        first = 0
        for span in self:
            at_ms = span.start_ms
            while first < len(other) and other[first].end_ms <= at_ms:
                first += 1
            position = first
            while position < len(other) and other[position].start_ms < span.end_ms:
                if other[position].start_ms > at_ms:
                    left.append(TimeSpan(at_ms, other[position].start_ms))
                at_ms = other[position].end_ms
                position += 1
            if at_ms < span.end_ms:
                left.append(TimeSpan(at_ms, span.end_ms))
        return self._in_order(left)

    def within(self, span: TimeSpan) -> SpanSet:
        """The moments of this set that lie in the span."""
        return self._in_order(
            piece if span.covers(piece) else span.intersect(piece)
            for piece in self
            if span and piece.start_ms < span.end_ms and piece.end_ms > span.start_ms
        )

    def covers(self, span: TimeSpan) -> bool:
        """Whether every moment of the span is in this set."""
        return not span or any(piece.covers(span) for piece in self)

    def grouped(self, longest_ms: int) -> list[TimeSpan]:
        """As few spans of at most `longest_ms` as hold every moment of the set, what lies between included."""
        groups: list[TimeSpan] = []
        for span in self:
            rest = span
            if groups and span.start_ms < groups[-1].start_ms + longest_ms:
                last_ms = min(span.end_ms, groups[-1].start_ms + longest_ms)
                groups[-1] = TimeSpan(groups[-1].start_ms, last_ms)
                rest = TimeSpan(last_ms, span.end_ms)
            groups += rest.pages(longest_ms)
        return groups


NO_SPANS = SpanSet()
