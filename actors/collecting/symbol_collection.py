"""SymbolCollection: from what coverage says is missing of a symbol to proof that nothing is."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, ParamSpec, Protocol, TypeVar

from actors.collecting.attempts import Attempts
from actors.collecting.batch_counters import BatchCounters
from actors.collecting.guarded_permits import GuardedPermits
from actors.run_control import RunControl
from domain.brokers.gateway import BrokerGateway, PageRequest
from domain.candles.coverage import Coverage
from domain.candles.dataset import Dataset
from domain.candles.ports import CandleRepository, TradingCalendar
from domain.candles.sessions import AlwaysOpen
from domain.candles.truncation import PageCheck
from domain.candles.validation import ValidatedCandles, validate
from domain.errors import BrokerUnavailable, MalformedResponse
from domain.jobs.request import CollectionRequest
from domain.jobs.retries import RetryPolicy
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan

SAVE_GRACE_SECONDS = 0.4
"""How long a shutdown waits for a save that has begun; below the grace a coordinator gives its workers."""

CLAIM_POLL_SECONDS = 0.05
"""How long to wait before asking again for a dataset that another collector has in hand."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class RunBlocking(Protocol):
    """Runs a blocking call where it does not hold up the event loop, like `asyncio.to_thread`."""

    def __call__(
        self, call: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Coroutine[Any, Any, Result]: ...


@dataclass(frozen=True, slots=True)
class CollectionTools:
    """What a worker collects with; the same for all of its symbols."""

    gateway: BrokerGateway
    candles: CandleRepository
    control: RunControl
    retry_policy: RetryPolicy
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random01: Callable[[], float] = random.random
    clock: Callable[[], float] = time.time
    run_blocking: RunBlocking = asyncio.to_thread
    calendar: TradingCalendar = field(default_factory=AlwaysOpen)


class SymbolCollection:
    """Collects one symbol's missing pages, in order.

    `attempts` counts the tries at the page in hand, `pages_left` the planned pages that are still to come.
    """

    def __init__(
        self,
        tools: CollectionTools,
        dataset: Dataset,
        request: CollectionRequest,
        permits: GuardedPermits,
        counters: BatchCounters,
    ) -> None:
        self.attempts = 1
        self._tools = tools
        self._dataset = dataset
        self._span = dataset.align(request.span)
        self._settle_ms = request.settle_seconds * 1000
        self._recheck_gaps = request.recheck_gaps
        self.pages_left = -(-dataset.bars_in(request.span) // tools.gateway.max_candles_per_page)
        self._permits = permits
        self._counters = counters

    async def collect(self) -> None:
        """Fetch and save until coverage is complete.

        Raises Interrupted on shutdown, or after the page in hand on a pause at once; the BrokerError of
        a page that was tried often enough; a StorageError. What was saved by then is not asked again.
        """
        coverage = await self._coverage(self._span)
        to_ask = self._to_ask(coverage)
        pages = self._pages(to_ask)
        check = PageCheck(self._tools.calendar, self._dataset, coverage, to_ask, self._page_ms, self._fetch)
        self._counters.skipped(self.pages_left - len(pages))
        self.pages_left = min(self.pages_left, len(pages))
        for page in pages:
            await self._collect_page(page, check)
            self.pages_left = max(0, self.pages_left - 1)
        if pages:
            await self._prove_complete()

    @property
    def _page_ms(self) -> int:
        return self._tools.gateway.max_candles_per_page * self._dataset.interval.duration_ms

    def _pages(self, to_ask: SpanSet) -> list[TimeSpan]:
        """What is to be asked, a request each: gaps may be many and short, and lie close together."""
        if self._recheck_gaps:
            return to_ask.grouped(self._page_ms)
        return [page for span in to_ask for page in span.pages(self._page_ms)]

    def _to_ask(self, coverage: Coverage) -> SpanSet:
        """What is missing, or was answered too early and has settled since, or denied and is to be asked again."""
        to_ask = coverage.to_ask(self._settled_before(int(self._tools.clock() * 1000)))
        if not self._recheck_gaps:
            return to_ask
        expected = self._tools.calendar.expected(self._dataset, coverage.span)
        return to_ask | (coverage.denied & expected)

    async def _coverage(self, span: TimeSpan) -> Coverage:
        reading = self._tools.run_blocking(self._tools.candles.coverage, self._dataset, span)
        return await self._tools.control.guard(reading)

    def _settled_before(self, moment_ms: int) -> int:
        """Bars that open before it had closed `settle_seconds` before the moment, by which they count as final."""
        return self._dataset.floor_ms(moment_ms - self._settle_ms)

    async def _prove_complete(self) -> None:
        missing = (await self._coverage(self._span)).missing
        if missing:
            raise self._malformed(f"incomplete: {missing[0]} was never answered in full")

    async def _collect_page(self, page: TimeSpan, check: PageCheck) -> None:
        attempts = Attempts(self._tools.retry_policy, self._tools.random01)
        rest = page
        async for attempt in attempts.retrying(self._back_off):
            with attempt:
                self.attempts = attempts.number
                rest = await self._ask_once(rest, check)
                if rest:
                    raise BrokerUnavailable(self._dataset.broker, self._dataset.symbol, f"{rest} is not closed yet")

    async def _ask_once(self, span: TimeSpan, check: PageCheck) -> TimeSpan:
        """Ask for what of the span nobody else has asked for by now, and return what is not closed yet.

        Two collectors of one dataset take turns, page by page: the second finds what the first has saved.
        """
        with self._tools.candles.collecting(self._dataset) as claim:
            while not await self._tools.control.guard(self._tools.run_blocking(claim.try_take)):
                await self._back_off(CLAIM_POLL_SECONDS)
            coverage = await self._coverage(check.surroundings(span))
            check.know(coverage)
            pieces = self._pages(self._to_ask(coverage).within(span))
            if not pieces:
                self._counters.skipped(1)
            for piece in pieces:
                rest = await self._ask(piece, check, is_last=piece is pieces[-1])
                if rest:
                    return TimeSpan(rest.start_ms, span.end_ms)
        return TimeSpan(span.end_ms, span.end_ms)

    async def _ask(self, span: TimeSpan, check: PageCheck, is_last: bool) -> TimeSpan:
        """Fetch the span, save what is final of it and agreed upon, and return the rest."""
        answer = await self._fetch(span)
        rest = TimeSpan(answer.answered.end_ms, span.end_ms)
        for checked in await check.verified(answer):
            saving = self._tools.run_blocking(self._store, checked)
            await self._tools.control.shield(saving, SAVE_GRACE_SECONDS)
            if checked.is_mostly_bad:
                raise self._malformed(f"{len(checked.quarantined)} candles of a page are bad, {_first_reason(checked)}")
            is_end_of_page = checked is answer and is_last and not rest
            findings = check.findings(checked)
            self._counters.saved(len(checked.candles), len(checked.quarantined), int(is_end_of_page), findings)
        return rest

    async def _fetch(self, span: TimeSpan) -> ValidatedCandles:
        request = PageRequest(self._dataset, span)
        page = await self._tools.control.guard(self._tools.gateway.fetch_page(request, self._permits))
        return validate(page.candles, self._dataset, span, page.closed_before_ms)

    def _store(self, checked: ValidatedCandles) -> None:
        if checked.quarantined:
            self._tools.candles.quarantine(self._dataset, checked.quarantined)
        if checked.answered and not checked.is_mostly_bad:
            self._tools.candles.save(
                self._dataset,
                checked.answered,
                checked.candles,
                provisional_from_ms=self._settled_before(checked.closed_before_ms),
                as_of_ms=int(self._tools.clock() * 1000),
            )

    async def _back_off(self, seconds: float) -> None:
        await self._tools.control.guard(self._wait(seconds))

    async def _wait(self, seconds: float) -> None:
        with self._tools.control.waiting():
            await self._tools.sleep(seconds)

    def _malformed(self, message: str) -> MalformedResponse:
        return MalformedResponse(self._dataset.broker, self._dataset.symbol, message)


def _first_reason(checked: ValidatedCandles) -> str:
    first = checked.quarantined[0]
    return f"the one at {first.open_time_ms} for instance: {first.reason}"
