"""BarSources: where stored bars came from, where that was told."""

from __future__ import annotations

from dataclasses import dataclass

from domain.spans.span_set import SpanSet


@dataclass(frozen=True, slots=True)
class BarSources:
    """Runs of bars by the name of their source ("rest", "archive"), sorted by name; a bar has one at most."""

    runs: tuple[tuple[str, SpanSet], ...] = ()

    def __post_init__(self) -> None:
        spans = [span for _, runs in self.runs for span in runs]
        if sum(span.duration_ms for span in spans) != SpanSet(spans).duration_ms:
            raise ValueError("a bar has two sources at once")

    def with_bars(self, runs: SpanSet, source: str) -> BarSources:
        """After these bars came from there; an empty name is no source."""
        if not self.runs and not source:
            return self
        told = {name: earlier - runs for name, earlier in self.runs}
        if source:
            told[source] = told.get(source, SpanSet()) | runs
        return BarSources(tuple(sorted((name, spans) for name, spans in told.items() if spans)))

    def __bool__(self) -> bool:
        return bool(self.runs)


NO_SOURCES = BarSources()
