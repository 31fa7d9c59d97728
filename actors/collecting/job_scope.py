"""JobScope: what is the same for all symbols of a job, worked out once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from actors.collecting.tools import CollectionTools
from domain.brokers.queries import Instrument, Query, Wanted
from domain.candles.coverage import Coverage
from domain.candles.dataset import Dataset
from domain.jobs.request import CollectionRequest
from domain.spans.span_set import SpanSet


class JobScope:
    """A job's span on its broker's grid, the bars expected in it, and what has to be requested."""

    def __init__(self, tools: CollectionTools, request: CollectionRequest, dataset: Dataset) -> None:
        """`dataset` may be that of any of the job's symbols: all have the same grid."""
        self.request = request
        self.span = dataset.align(request.span)
        self._tools = tools
        self._dataset = dataset
        self._expected = tools.calendar.expected(dataset, self.span)
        self._from_nothing: dict[int, list[Query]] = {}

    def queries(self, wanted: Mapping[Instrument, SpanSet]) -> list[Query]:
        """The queries for these spans; rechecked gaps, often many and short, are bridged."""
        bridges = self.request.recheck_gaps
        return self._tools.gateway.queries(
            {instrument: Wanted(spans, self._expected, bridges) for instrument, spans in wanted.items() if spans},
            self._tools.now_ms(),
        )

    def queries_from_nothing(self, instruments: Sequence[Instrument]) -> list[Query]:
        """The queries for so many instruments with nothing stored; they may name other instruments."""
        if len(instruments) not in self._from_nothing:
            whole = {instrument: SpanSet([self.span]) for instrument in instruments}
            self._from_nothing[len(instruments)] = self.queries(whole)
        return self._from_nothing[len(instruments)]

    def to_ask(self, coverage: Coverage) -> SpanSet:
        """What is missing, or due, or denied where gaps are to be rechecked."""
        to_ask = coverage.to_ask(self.settled_before_ms(self._tools.now_ms()))
        if not self.request.recheck_gaps:
            return to_ask
        return to_ask | (coverage.denied & self._expected)

    def settled_before_ms(self, moment_ms: int) -> int:
        """The time before which bars had settled at `moment_ms`: those that open earlier are final."""
        return self._dataset.closed_by(moment_ms - self.request.settle_seconds * 1000)
