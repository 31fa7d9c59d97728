"""A worker through brokers of every manner: what is stored in the end is the truth."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from actors.collection_worker import CollectionWorker
from adapters.in_memory import InMemoryCandleRepository, InMemoryJobRepository, InMemoryRateLimiter, RecordingEmitter
from adapters.in_memory.manners import ArchiveExchange
from candle_collector.testing import GatewayUnderTest
from domain.candles.sessions import MarketSessions, Session
from domain.jobs.batches import BatchReport
from domain.jobs.request import CollectionRequest
from domain.jobs.retries import RetryPolicy
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan
from tests.contract import conformance_subjects as subjects
from tests.contract.market_truths import DAY_MS

Subjects = Callable[[], AbstractAsyncContextManager[GatewayUnderTest]]


def calendar_of(subject: GatewayUnderTest) -> MarketSessions:
    """The market's sessions: all that is no closure, a year around it included."""
    known = TimeSpan(subject.extent.start_ms - 366 * DAY_MS, subject.extent.end_ms + 366 * DAY_MS)
    return MarketSessions.of(
        "test",
        known,
        [Session(span.start_ms // DAY_MS * DAY_MS, (span,)) for span in SpanSet([known]) - subject.closures],
    )


async def collected(subject: GatewayUnderTest, span: TimeSpan) -> tuple[BatchReport, InMemoryCandleRepository]:
    """What became of all symbols in one batch, and what was stored."""
    gateway, candles = subject.gateway, InMemoryCandleRepository()
    request = CollectionRequest(gateway.spec.name, "default", subject.symbols, subject.interval, span)
    jobs = InMemoryJobRepository(request)
    worker = CollectionWorker(
        jobs,
        gateway,
        subject.transport,
        candles,
        InMemoryRateLimiter(),
        RecordingEmitter(),
        retry_policy=RetryPolicy(attempts=3, base_seconds=0.001),
        clock=lambda: subject.now_ms / 1000,
        calendar=calendar_of(subject),
    )
    await worker.run(jobs.job_id)
    return jobs.reports[0], candles


@pytest.mark.parametrize(
    "subject_of",
    [subjects.plain, subjects.cursor, subjects.day_caps, subjects.archive, subjects.zoned_days, subjects.newest],
    ids=lambda subject_of: subject_of.__name__,
)
async def test_what_is_stored_is_what_the_broker_has(subject_of: Subjects) -> None:
    async with subject_of() as subject:
        reach_ms = max(subject.reach_ms.values(), default=subject.extent.start_ms)
        span = subject.grid.align(TimeSpan(reach_ms, subject.extent.end_ms))
        report, candles = await collected(subject, span)
        assert (set(report.completed), report.failed) == (set(subject.symbols), ())
        for symbol in subject.symbols:
            stored = candles.read(subject.dataset(symbol), span)
            assert stored.identical(subject.truth[symbol].within(span)), symbol


async def test_what_is_out_of_reach_is_told_stored_as_such_and_not_asked_again() -> None:
    async with subjects.newest() as subject:
        report, candles = await collected(subject, subject.extent)
        assert (set(report.completed), report.failed) == (set(subject.symbols), ())
        for symbol, reach_ms in subject.reach_ms.items():
            coverage = candles.coverage(subject.dataset(symbol), subject.extent)
            assert coverage.out_of_reach == (TimeSpan(subject.extent.start_ms, reach_ms),)
            assert coverage.to_ask(subject.extent.end_ms) == ()
            stored = candles.read(subject.dataset(symbol), subject.extent)
            within_reach = TimeSpan(reach_ms, subject.extent.end_ms)
            assert stored.identical(subject.truth[symbol].within(within_reach))


async def test_a_file_that_is_missing_proves_nothing() -> None:
    async with subjects.archive() as subject:
        exchange = subject.transport
        assert isinstance(exchange, ArchiveExchange)
        exchange.missing = frozenset({"B-2023-12", "B-2024-01"})
        report, candles = await collected(subject, subject.extent)
        assert report.failed == ()
        assert candles.read(subject.dataset("B"), subject.extent).identical(subject.truth["B"])
