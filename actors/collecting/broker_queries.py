"""BrokerQueries: sends queries to the broker and validates its answers, until a shutdown interrupts it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence

import numpy as np

from actors.collecting.tools import CollectionTools
from domain.brokers.answers import Answer, Part
from domain.brokers.queries import Instrument, Query, Wanted
from domain.brokers.wire import Wire
from domain.candles.candles import RawCandles, stack
from domain.candles.dataset import Dataset
from domain.candles.validation import ValidatedCandles, validate
from domain.spans.grid import ALL_TIME
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan


class BrokerQueries:
    """One batch's queries to the broker."""

    def __init__(self, tools: CollectionTools, wire: Wire) -> None:
        self._tools = tools
        self._wire = wire

    async def resolve(self, datasets: Sequence[Dataset]) -> dict[Dataset, Instrument]:
        """How the broker knows these datasets."""
        return await self._tools.control.guard(self._tools.gateway.resolve(datasets, self._wire))

    async def answers(self, query: Query) -> AsyncIterator[Answer]:
        """The responses to a query. Raises Interrupted on shutdown, and what the gateway raises."""
        responses = self._tools.gateway.answers(query, self._wire)
        try:
            while answer := await self._tools.control.guard(_next_of(responses)):
                yield answer
        finally:
            await responses.aclose()

    async def second_answers(
        self, query: Query, doubtful: Mapping[Instrument, TimeSpan]
    ) -> dict[Instrument, ValidatedCandles]:
        """A second answer for each instrument's doubtful span."""
        spans = {instrument: SpanSet([span]) for instrument, span in doubtful.items()}
        rows, closed_before_ms = await self._rows(self._tools.gateway.another_way(query, spans))
        return {
            instrument: self._validated(_joined(rows[instrument]), instrument, span, closed_before_ms)
            for instrument, span in doubtful.items()
        }

    async def fetch(self, instrument: Instrument, span: TimeSpan) -> ValidatedCandles:
        """Fetch one instrument's span and validate it."""
        expected = self._tools.calendar.expected(instrument.dataset, span)
        queries = self._tools.gateway.queries({instrument: Wanted(SpanSet([span]), expected)}, self._tools.now_ms())
        rows, closed_before_ms = await self._rows(queries)
        return self._validated(_joined(rows[instrument]), instrument, span, closed_before_ms)

    def judged(self, part: Part, query: Query, closed_before_ms: int) -> list[ValidatedCandles]:
        """The rows of a part, validated span by span of what it answers.

        A row of the query's span that the part does not answer for comes again with the answer that does. One
        outside of the query's span is validated with the first span, and refused there.
        """
        instrument, opens = part.instrument, part.rows.open_time_ms
        if part.answered == (query.span,):
            return [self._validated(part.rows, instrument, query.span, closed_before_ms)]
        is_stranger = (opens < query.span.start_ms) | (opens >= query.span.end_ms)
        found = []
        for span in part.answered:
            chosen = (opens >= span.start_ms) & (opens < span.end_ms) | is_stranger
            found.append(self._validated(part.rows.take(chosen), instrument, span, closed_before_ms))
            is_stranger = np.zeros(len(opens), np.bool_)
        return found

    def _validated(
        self, rows: RawCandles, instrument: Instrument, span: TimeSpan, closed_before_ms: int
    ) -> ValidatedCandles:
        may_be_negative = self._tools.gateway.spec.may_be_negative
        return validate(rows, instrument.dataset, span, closed_before_ms, may_be_negative)

    async def _rows(self, queries: Iterable[Query]) -> tuple[dict[Instrument, list[RawCandles]], int]:
        """The rows received of each instrument, and the time before which bars had closed."""
        rows: dict[Instrument, list[RawCandles]] = defaultdict(list)
        closed_before_ms = ALL_TIME.end_ms
        for query in queries:
            async for answer in self.answers(query):
                closed_before_ms = min(closed_before_ms, answer.closed_before_ms)
                for part in answer.parts:
                    rows[part.instrument].append(part.rows)
        return rows, closed_before_ms


async def _next_of(responses: AsyncGenerator[Answer]) -> Answer | None:
    return await anext(responses, None)


def _joined(rows: list[RawCandles]) -> RawCandles:
    return RawCandles.from_columns(stack(rows)) if rows else RawCandles.empty()
