"""KnownSpans: which spans were answered, and since when what they hold is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan

Timestamps = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class KnownSpans:
    """Sorted, disjoint pieces `[start, end)`, each with the time since when it is known.

    Two pieces that touch differ in that time: a job that works page by page leaves one piece a page.
    """

    start_ms: Timestamps
    end_ms: Timestamps
    since_ms: Timestamps

    @classmethod
    def of(cls, spans: Sequence[TimeSpan], since_ms: int) -> KnownSpans:
        """Sorted, disjoint spans that became known at one moment."""
        filled = [span for span in spans if span]
        starts, ends = [span.start_ms for span in filled], [span.end_ms for span in filled]
        return cls(np.array(starts, np.int64), np.array(ends, np.int64), np.full(len(filled), since_ms, np.int64))

    @classmethod
    def nothing(cls) -> KnownSpans:
        """No span was answered yet."""
        return cls.of((), 0)

    @property
    def spans(self) -> SpanSet:
        """What was answered, whenever that was."""
        return SpanSet(map(TimeSpan, self.start_ms.tolist(), self.end_ms.tolist()))

    def since(self, openings: Timestamps) -> Timestamps:
        """Since when each of these openings, all of them answered, is known."""
        return self.since_ms[self._pieces_of(openings)] if len(self) else np.empty(0, np.int64)

    def holds(self, openings: Timestamps) -> NDArray[np.bool_]:
        """Which of the openings were answered."""
        if not len(self):
            return np.zeros(len(openings), np.bool_)
        pieces = self._pieces_of(openings)
        return (pieces >= 0) & (openings < self.end_ms[pieces])

    def answered(self, asked: TimeSpan, as_of_ms: int) -> KnownSpans:
        """With one more answer; what was known before keeps its time."""
        return KnownSpans.of([asked], as_of_ms).painted_over_by(self)

    def changed(self, openings: Timestamps, ends: Timestamps, as_of_ms: int) -> KnownSpans:
        """With bars that came only now, in spans answered before: their openings, and where each of them ends."""
        if not len(openings):
            return self
        return self.painted_over_by(KnownSpans(openings, ends, np.full(len(openings), as_of_ms, np.int64)))

    def without(self, spans: SpanSet) -> KnownSpans:
        """As if these spans had never been answered."""
        if not len(self) or not spans:
            return self
        gone = KnownSpans.of(spans, 0)
        edges = np.unique(np.concatenate([self.start_ms, self.end_ms, gone.start_ms, gone.end_ms]))
        starts, ends = edges[:-1], edges[1:]
        left = self.holds(starts) & ~gone.holds(starts)
        return _joined(starts[left], ends[left], self.since(starts)[left]) if left.any() else KnownSpans.nothing()

    def painted_over_by(self, upper: KnownSpans) -> KnownSpans:
        """The pieces of both; where both know something, the upper one's time holds."""
        if not len(self) or not len(upper):
            return upper if len(upper) else self
        edges = np.unique(np.concatenate([self.start_ms, self.end_ms, upper.start_ms, upper.end_ms]))
        starts, ends = edges[:-1], edges[1:]
        in_upper, in_lower = upper.holds(starts), self.holds(starts)
        since = np.where(in_upper, upper.since(starts), self.since(starts))
        return _joined(*(edge[in_upper | in_lower] for edge in (starts, ends, since)))

    def identical(self, other: KnownSpans) -> bool:
        """Whether both are the same pieces."""
        mine, theirs = self.columns(), other.columns()
        return all(np.array_equal(left, right) for left, right in zip(mine, theirs, strict=True))

    def columns(self) -> tuple[Timestamps, Timestamps, Timestamps]:
        """Starts, ends and times."""
        return self.start_ms, self.end_ms, self.since_ms

    def __len__(self) -> int:
        return len(self.start_ms)

    def _pieces_of(self, openings: Timestamps) -> NDArray[np.intp]:
        return np.searchsorted(self.start_ms, openings, side="right") - 1


def _joined(starts: Timestamps, ends: Timestamps, since: Timestamps) -> KnownSpans:
    """Neighbours that touch and are known since the same moment as one piece."""
    begins = np.append(True, (starts[1:] != ends[:-1]) | (since[1:] != since[:-1]))
    first = np.flatnonzero(begins)
    return KnownSpans(starts[first], ends[np.append(first[1:], len(starts)) - 1], since[first])
