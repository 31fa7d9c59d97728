"""GroupCollection: collects symbols that share queries, until nothing of them is missing."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import ExitStack, asynccontextmanager
from functools import partial

from actors.collecting.attempts import Attempts
from actors.collecting.batch_counters import BatchCounters
from actors.collecting.broker_queries import BrokerQueries
from actors.collecting.job_scope import JobScope
from actors.collecting.symbol_work import SymbolWork
from actors.collecting.tools import CollectionTools
from domain.brokers.answers import Answer, Part
from domain.brokers.queries import Instrument, Query
from domain.candles.candles import Candles
from domain.candles.coverage import Coverage
from domain.candles.dataset import Dataset
from domain.candles.span_states import SpanStates
from domain.candles.validation import ValidatedCandles
from domain.errors import (
    BrokerError,
    BrokerUnavailable,
    CorruptSegment,
    CredentialsRefused,
    MalformedResponse,
    SymbolRejected,
)
from domain.spans.span_set import NO_SPANS, SpanSet
from domain.spans.time_span import TimeSpan

SAVE_GRACE_SECONDS = 0.4
"""How long a shutdown waits for a save that has begun; shorter than a coordinator's grace for its workers."""

CLAIM_POLL_SECONDS = 0.05
"""How long to wait before trying again to claim a dataset that another collector has claimed."""

Left = dict[Instrument, SpanSet]


class GroupCollection:
    """Collects what is missing of a group of symbols, query by query, in order.

    A symbol that fails is noted in its SymbolWork; the others go on. `work_left` is what the group still has to
    collect, in symbols.
    """

    def __init__(
        self,
        tools: CollectionTools,
        broker: BrokerQueries,
        scope: JobScope,
        datasets: Sequence[Dataset],
        counters: BatchCounters,
    ) -> None:
        self._tools = tools
        self._broker = broker
        self._scope = scope
        self._counters = counters
        self.works = [SymbolWork(Instrument.of(dataset)) for dataset in datasets]
        self._of: dict[Instrument, SymbolWork] = {}
        self._from_nothing = scope.queries_from_nothing([work.instrument for work in self.works])
        self.work_left = float(len(datasets))
        self._work_of_a_query = 0.0

    async def collect(self) -> None:
        """Query and save until the coverage of every symbol that has not failed is complete.

        Raises Interrupted on shutdown, or after the current query if a pause is immediate. Raises the CollectorErrors
        that are no symbol's fault. What was saved by then is not requested again.
        """
        await self._resolve()
        wanted = await self._wanted()
        queries = self._scope.queries(wanted)
        # Many short gaps may take more queries than the whole span would.
        self._work_of_a_query = len(self.works) / max(len(self._from_nothing), len(queries), 1)
        self._skip(self.work_left - len(queries) * self._work_of_a_query)
        for query in queries:
            await self._collect_query(query)
        for instrument in wanted:
            await self._prove_complete(self._of[instrument])

    async def _resolve(self) -> None:
        """Learn how the broker knows the symbols."""
        known = await self._broker.resolve([work.dataset for work in self.works])
        for work in self.works:
            if instrument := known.get(work.dataset):
                work.instrument = instrument
                self._of[instrument] = work
            else:
                work.fail(work.rejected("the broker does not list this symbol"))

    async def _wanted(self) -> Left:
        """The spans to request of each symbol; prepares the check of its answers."""
        wanted: Left = {}
        reach_ms = max((query.span.duration_ms for query in self._from_nothing), default=0)
        for instrument, work in self._of.items():
            coverage = await self._coverage(work, self._scope.span)
            if coverage is not None and (spans := self._scope.to_ask(coverage)):
                wanted[instrument] = spans
                fetch = partial(self._broker.fetch, instrument)
                work.expect(self._tools.calendar, coverage, spans, reach_ms, fetch)
        return wanted

    async def _coverage(self, work: SymbolWork, span: TimeSpan) -> Coverage | None:
        """What is stored of a symbol; None where that cannot be read: the symbol has then failed."""
        reading = self._tools.run_blocking(self._tools.candles.coverage, work.dataset, span)
        try:
            return await self._tools.control.guard(reading)
        except CorruptSegment as error:
            work.fail(error)
            return None

    async def _prove_complete(self, work: SymbolWork) -> None:
        if work.error is None:
            coverage = await self._coverage(work, self._scope.span)
            if coverage is not None and coverage.missing:
                work.fail(work.malformed(f"incomplete: {coverage.missing[0]} was never answered in full"))

    async def _collect_query(self, query: Query) -> None:
        """Try the query until nothing is left of it; symbols that are incomplete after the last try have failed."""
        attempts = Attempts(self._tools.retry_policy, self._tools.random01)
        left = {one: SpanSet([query.span]) for one in query.instruments if self._of[one].error is None}
        if not left:
            return
        try:
            async for attempt in attempts.retrying(self._tools.back_off):
                with attempt:
                    for instrument in left:
                        self._of[instrument].attempts = attempts.number
                    await self._query_once(query, left)
        except SymbolRejected as error:
            await self._refused(query, left, error)
        except CredentialsRefused:
            raise
        except BrokerError as error:
            for instrument in left:
                work = self._of[instrument]
                coverage = await self._coverage(work, query.span)
                if coverage is not None and self._scope.to_ask(coverage):
                    work.fail(error)

    async def _refused(self, query: Query, left: Left, error: SymbolRejected) -> None:
        """Fail the symbols that a refusal names; where it names none, halve the query until it does."""
        if len(left) == 1:
            self._fail(left, error)
            return
        named = {one for one in left if one.dataset.symbol in error.symbol.split(", ")}
        if 0 < len(named) < len(left):
            self._fail(named, error)
            halves = [[one for one in left if one not in named]]
        else:
            instruments = list(left)
            middle = len(instruments) // 2
            halves = [instruments[:middle], instruments[middle:]]
        for half in halves:
            for part in self._scope.queries({one: left[one] for one in half}):
                await self._collect_query(part)

    def _fail(self, instruments: Iterable[Instrument], error: BrokerError) -> None:
        for instrument in instruments:
            self._of[instrument].fail(error)

    async def _query_once(self, query: Query, left: Left) -> None:
        """Request what is still missing of the query.

        Two collectors of one dataset take turns, query by query: the second finds what the first has saved. Raises
        BrokerUnavailable where a bar has not closed yet.
        """
        async with self._claimed(left):
            wanted: Left = {}
            for instrument, spans in left.items():
                work = self._of[instrument]
                coverage = await self._coverage(work, work.check.surroundings(query.span))
                if coverage is not None:
                    work.check.know(coverage)
                    wanted[instrument] = self._scope.to_ask(coverage) & spans
            queries = self._scope.queries(wanted)
            if not queries:
                self._skip(self._work_of_a_query)
                return
            not_closed: Left = {}
            waiting = deque((part, _within(wanted, part)) for part in queries)
            while waiting:
                # Where the broker cut its answer, the rest of it comes next.
                rest = await self._run_query(*waiting.popleft(), not_closed)
                waiting.extendleft((part, _within(rest, part)) for part in reversed(self._scope.queries(rest)))
            for instrument, spans in not_closed.items():
                dataset = instrument.dataset
                raise BrokerUnavailable(dataset.broker, dataset.symbol, f"{spans[0]} is not closed yet")
            self.work_left -= self._work_of_a_query
            self._counters.query_done(self._work_of_a_query)

    async def _run_query(self, query: Query, wanted: Left, not_closed: Left) -> Left:
        """Send the query and save its answers; returns the spans that the broker cut off, and notes unclosed bars."""
        still_open, unclosed = dict(wanted), dict.fromkeys(wanted, NO_SPANS)
        async for answer in self._broker.answers(query):
            await self._save_answer(query, answer, still_open, unclosed)
        left = {one: spans for one in wanted if (spans := still_open[one] - unclosed[one])}
        if left and left == {one: spans for one, spans in wanted.items() if spans}:
            instrument, spans = next(iter(left.items()))
            raise self._of[instrument].malformed(f"{spans[0]} was not answered")
        not_closed.update({one: spans for one in wanted if (spans := still_open[one] & unclosed[one])})
        return left

    def _skip(self, work: float) -> None:
        self.work_left -= work
        self._counters.skipped(work)

    async def _save_answer(self, query: Query, answer: Answer, still_open: Left, unclosed: Left) -> None:
        """Save an answer, part by part; the doubtful spans of all its parts are requested once more together."""
        pieces = [
            (part.instrument, piece, self._of[part.instrument].check.doubtful(piece))
            for part in answer.parts
            for piece in self._broker.judged(part, query, answer.closed_before_ms)
        ]
        doubtful = {instrument: span for instrument, _, span in pieces if span}
        again = await self._broker.second_answers(query, doubtful) if doubtful else {}
        errors = []
        for instrument, piece, span in pieces:
            try:
                second = again.get(instrument) if span == doubtful.get(instrument) else None
                await self._save_verified(instrument, piece, span, second)
                still_open[instrument] -= SpanSet([piece.answered])
            except MalformedResponse as error:
                errors.append(error)
            except CorruptSegment as error:
                self._of[instrument].fail(error)
                still_open[instrument] = NO_SPANS
        if errors:
            raise errors[0]
        for part in answer.parts:
            if part.out_of_reach:
                await self._save_out_of_reach(part)
                still_open[part.instrument] -= part.out_of_reach
            final = SpanSet(piece.answered for one, piece, _ in pieces if one == part.instrument)
            unclosed[part.instrument] |= part.answered - final

    async def _save_verified(
        self,
        instrument: Instrument,
        piece: ValidatedCandles,
        doubtful: TimeSpan | None,
        again: ValidatedCandles | None,
    ) -> None:
        work = self._of[instrument]
        for checked in await work.check.verified(piece, doubtful, again):
            saving = self._tools.run_blocking(self._store, instrument, checked)
            await self._tools.control.shield(saving, SAVE_GRACE_SECONDS)
            if checked.is_mostly_bad:
                raise work.malformed(f"{len(checked.quarantined)} candles of a page are bad, {_first_reason(checked)}")
            self._counters.saved(len(checked.candles), len(checked.quarantined), work.check.findings(checked))

    async def _save_out_of_reach(self, part: Part) -> None:
        """Record spans that the broker does not serve: they are neither empty nor requested again."""
        for span in part.out_of_reach:
            states = SpanStates(out_of_reach=SpanSet([span]))
            saving = self._tools.run_blocking(
                self._tools.candles.save, part.instrument.dataset, span, Candles.empty(), states=states
            )
            await self._tools.control.shield(saving, SAVE_GRACE_SECONDS)

    def _store(self, instrument: Instrument, checked: ValidatedCandles) -> None:
        candles, dataset = self._tools.candles, instrument.dataset
        if checked.quarantined:
            candles.quarantine(dataset, checked.quarantined)
        if checked.answered and not checked.is_mostly_bad:
            candles.save(
                dataset,
                checked.answered,
                checked.candles,
                provisional_from_ms=self._scope.settled_before_ms(checked.closed_before_ms),
                as_of_ms=self._tools.now_ms(),
            )

    @asynccontextmanager
    async def _claimed(self, instruments: Iterable[Instrument]) -> AsyncIterator[None]:
        """Claim all of the datasets, or none: all are released between two tries, so that no deadlock is possible."""
        in_order = sorted(instruments, key=lambda one: one.dataset.symbol)
        while True:
            with ExitStack() as stack:
                claims = [stack.enter_context(self._tools.candles.collecting(one.dataset)) for one in in_order]
                for claim in claims:
                    if not await self._tools.control.guard(self._tools.run_blocking(claim.try_take)):
                        break
                else:
                    yield
                    return
            await self._tools.back_off(CLAIM_POLL_SECONDS)


def _within(wanted: Left, query: Query) -> Left:
    return {one: wanted[one].within(query.span) for one in query.instruments}


def _first_reason(checked: ValidatedCandles) -> str:
    first = checked.quarantined[0]
    return f"the one at {first.open_time_ms} for instance: {first.reason}"
