"""Plans, compared with the worker that then collects; no plan makes a request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from actors.use_cases.catalog import JobCatalog
from actors.use_cases.planner import JobPlanner
from adapters.in_memory.limiter import InMemoryPermit
from adapters.job_store.journal import JobJournal
from domain.candles.candles import Candles
from domain.candles.dataset import Dataset, Interval
from domain.candles.sessions import AlwaysOpen
from domain.jobs.batches import BatchReport, BatchWork
from domain.jobs.forecast import BYTES_PER_BAR, SLOTS
from domain.jobs.ports import JobStore
from domain.jobs.progress import Progress
from domain.jobs.request import CollectionRequest
from domain.jobs.status import JobStatus
from domain.jobs.timings import ENOUGH_CALLS, Timings
from domain.limits.rates import AccountLimits, RateLimit
from tests.job_examples import NOW
from tests.unit.collecting.worker_bench import Bench, bars, minutes, names
from tests.unit.virtual_time import VirtualTimeLoop

UNREACHED = AccountLimits("memory", "default", (RateLimit.parse("100000/1s"),), 10.0, 10.0)
spans_by_symbol = some.lists(
    some.lists(some.tuples(some.integers(0, 40), some.integers(4, 25)), max_size=3), min_size=1, max_size=7
)


def planner(bench: Bench, store: JobStore, bytes_per_bar: float | None = None) -> JobPlanner:
    return JobPlanner(
        JobCatalog(store), bench.candles, bench.gateway, UNREACHED, lambda _: AlwaysOpen(), lambda _: bytes_per_bar
    )


def fill(bench: Bench, symbol: str, spans: Sequence[tuple[int, int]]) -> None:
    """Store the minutes of these spans, each a first minute and a length; the third minute of each has no bar."""
    for first, length in spans:
        span = minutes(first, first + length).intersect(bench.span)
        candles = bars(length, first).within(span)
        stored = candles.take(candles.open_time_ms != (first + 2) * 60_000)
        bench.candles.save(bench.gateway.dataset(symbol, Interval("1m")), span, stored)


def recorded(
    store: JobStore, request: CollectionRequest, timings: Timings, status: JobStatus = JobStatus.COMPLETED
) -> str:
    """A job of this request that has been run, with these timings."""
    job_id = JobCatalog(store).find_or_submit(request)
    job = store.job(job_id)
    job.start(timestamp=NOW)
    for batch in range(-(-len(request.symbols) // request.batch_size)):
        symbols = request.symbols[batch * request.batch_size : (batch + 1) * request.batch_size]
        job.record_batch(BatchReport(batch, job.epoch, True, symbols, requests=1, timings=timings), timestamp=NOW)
    if status is JobStatus.COMPLETED:
        job.complete(timestamp=NOW)
    else:
        job.pause(timestamp=NOW)
    store.save(job)
    return job_id


@given(spans_by_symbol, some.integers(1, 3), some.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_a_worker_makes_exactly_the_requests_and_takes_exactly_the_time_of_the_forecast(
    spans: list[list[tuple[int, int]]], concurrency: int, batch_size: int
) -> None:
    async def scenario() -> None:
        bench = Bench(
            names(len(spans)), bars_each=60, concurrency=concurrency, batch_size=batch_size, latency_seconds=0.5
        )
        for symbol, filled in zip(bench.symbols, spans, strict=True):
            fill(bench, symbol, filled)
        request = replace(bench.request, workers=1)
        store = JobJournal.in_memory()
        recorded(store, replace(request, symbols=("TIMED",)), Timings(4, 2.0, 2.0))
        foreseen = planner(bench, store).plan(request).forecast
        assert bench.asked == []
        began_at = asyncio.get_running_loop().time()
        await bench.run()
        assert len(bench.asked) == foreseen.requests
        assert asyncio.get_running_loop().time() - began_at == pytest.approx(foreseen.seconds, abs=1e-3)
        assert planner(bench, store).plan(request).forecast.requests == 0

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(scenario())


async def test_a_batch_records_how_long_its_calls_and_its_pages_took_without_the_waits_for_permits() -> None:
    bench = Bench(names(2), bars_each=30, concurrency=2, latency_seconds=0.5)
    bench.limiter.gate.clear()
    run = bench.begin()
    await asyncio.sleep(7)
    bench.limiter.gate.set()
    await run
    (report,) = bench.jobs.reports
    assert (report.timings.requests, report.requests) == (6, 6)
    assert report.timings.call_seconds == pytest.approx(3.0, abs=1e-3)
    assert report.timings.slot_seconds == pytest.approx(3.0, abs=1e-3)


def test_the_timings_are_those_of_the_accounts_last_calls_whichever_jobs_made_them() -> None:
    store, bench = JobJournal.in_memory(), Bench(names(3))
    many = ENOUGH_CALLS // 2
    for symbol, timings in (
        ("A", Timings(many, 9.0 * many, 9.0 * many)),
        ("B", Timings(many, 2.0 * many, 2.0 * many)),
        ("C", Timings()),
        ("D", Timings(many, 1.0 * many, 1.5 * many)),
    ):
        recorded(store, replace(bench.request, symbols=(symbol,)), timings)
    recorded(store, replace(bench.request, symbols=("E",), account="other"), Timings(1, 9.0, 9.0))
    catalog = JobCatalog(store)
    assert catalog.timings("memory", "default").mean_call_seconds == 1.5
    assert catalog.timings("memory", "other").mean_call_seconds == 9.0
    assert not catalog.timings("memory", "nobody")


def test_jobs_without_requests_do_not_hide_the_timings_of_those_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.use_cases.catalog.MOST_TIMED_JOBS", 2)
    store, bench = JobJournal.in_memory(), Bench(names(1))
    for symbol, timings in (
        ("A", Timings(1, 9.0)),
        ("B", Timings(1, 2.0)),
        ("C", Timings(1, 1.0)),
        ("D", Timings()),
        ("E", Timings()),
    ):
        recorded(store, replace(bench.request, symbols=(symbol,)), timings)
    assert JobCatalog(store).timings("memory", "default").mean_call_seconds == 1.5


async def test_a_batch_records_the_turnaround_since_the_last_one_without_pauses() -> None:
    bench = Bench(names(3), bars_each=10, batch_size=1, latency_seconds=1.0)
    claim, report = bench.jobs.claim_batch, bench.jobs.report_batch

    async def slow_claim(job_id: str, worker: str) -> BatchWork | None:
        await asyncio.sleep(0.3)
        return await claim(job_id, worker)

    async def slow_report(job_id: str, worker: str, reported: BatchReport) -> Progress:
        await asyncio.sleep(0.2)
        return await report(job_id, worker, reported)

    bench.jobs.claim_batch, bench.jobs.report_batch = slow_claim, slow_report
    run = bench.begin()
    await asyncio.sleep(0.5)
    await bench.worker.pause()
    await asyncio.sleep(60)
    await bench.worker.resume()
    await run
    recorded_seconds = [one.timings.turnaround_seconds for one in bench.jobs.reports]
    assert recorded_seconds == pytest.approx([0.0, 0.5, 0.5], abs=1e-3)
    assert [one.timings.batches for one in bench.jobs.reports] == [0, 1, 1]


async def test_a_pause_while_a_worker_waits_for_a_batch_is_no_part_of_the_turnaround() -> None:
    bench, is_given = Bench(names(2), bars_each=10, batch_size=1), asyncio.Event()
    claim = bench.jobs.claim_batch

    async def held_claim(job_id: str, worker: str) -> BatchWork | None:
        if bench.jobs.reports:
            await is_given.wait()
        return await claim(job_id, worker)

    bench.jobs.claim_batch = held_claim
    run = bench.begin()
    await asyncio.sleep(0.1)
    await bench.worker.pause()
    await asyncio.sleep(86_400)
    await bench.worker.resume()
    is_given.set()
    await run
    assert [one.timings.turnaround_seconds for one in bench.jobs.reports] == pytest.approx([0.0, 0.0], abs=1e-3)
    assert [one.timings.batches for one in bench.jobs.reports] == [0, 1]


@pytest.mark.parametrize(("waited_seconds", "page_seconds"), [(5.25, 0.75), (0.0, 0.5)])
async def test_the_call_for_a_permit_is_a_slots_work_and_the_wait_that_limits_add_is_not(
    waited_seconds: float, page_seconds: float
) -> None:
    bench = Bench(names(1), bars_each=30, latency_seconds=0.5)
    acquire = bench.limiter.acquire

    @asynccontextmanager
    async def far_and_limited(tokens: int = 1, pool: str = "") -> AsyncIterator[InMemoryPermit]:
        await asyncio.sleep(waited_seconds)
        async with acquire(tokens, pool) as permit:
            permit.travel_seconds = 0.25
            yield permit

    bench.limiter.acquire = far_and_limited
    await bench.run()
    (report,) = bench.jobs.reports
    assert report.timings.mean_call_seconds == pytest.approx(0.5, abs=1e-3)
    # A spare permit is there at once, however long the permit bundle it came with took.
    assert report.timings.mean_page_seconds == pytest.approx(page_seconds, abs=1e-3)


def test_a_fresh_store_is_told_with_a_lower_bound_and_a_guess_of_its_size() -> None:
    bench = Bench(names(3), bars_each=25)
    planned = planner(bench, JobJournal.in_memory()).plan(bench.request)
    foreseen = planned.forecast
    assert planned.job is None
    assert (foreseen.requests, foreseen.weight, foreseen.bars_stored, foreseen.bars_expected) == (9, 9, 0, 75)
    assert foreseen.is_lower_bound
    assert (foreseen.bytes_per_bar, foreseen.bytes_are_measured) == (BYTES_PER_BAR, False)


def test_a_job_half_done_is_told_by_what_is_left() -> None:
    bench, store = Bench(names(4), bars_each=20), JobJournal.in_memory()
    job_id = recorded(store, bench.request, Timings(4, 0.4, 0.8), JobStatus.PAUSED)
    fill(bench, bench.symbols[0], [(0, 20)])
    fill(bench, bench.symbols[1], [(0, 10)])
    planned = planner(bench, store, bytes_per_bar=9.0).plan(bench.request)
    assert planned.job is not None
    assert (planned.job.job_id, planned.job.status) == (job_id, JobStatus.PAUSED)
    assert planned.as_json()["job"] == {"id": job_id, "status": "PAUSED"}
    foreseen = planned.forecast
    assert (foreseen.symbols_complete, foreseen.requests, foreseen.bound_by) == (1, 5, SLOTS)
    assert foreseen.seconds == pytest.approx(5 * 0.2)
    # Two bars of thirty did not come, so a fifteenth of the fifty that are missing is not expected.
    assert (foreseen.bars_stored, foreseen.bars_expected) == (28, 47)
    assert foreseen.bytes_expected == 47 * 9


def test_a_paused_job_with_an_open_end_is_told_by_its_own_span_since_it_is_what_would_go_on() -> None:
    bench, store = Bench(names(1), bars_each=10), JobJournal.in_memory()
    request = replace(bench.request, open_ended=True)
    recorded(store, request, Timings(1, 0.1, 0.1), JobStatus.PAUSED)
    later = replace(request, span=minutes(0, 500))
    assert planner(bench, store).plan(later).request.span == request.span


def test_bytes_are_measured_on_the_jobs_own_symbols_or_else_on_others_of_the_same_kind() -> None:
    bench = Bench(("AAA", "BBB"), bars_each=10)
    measured: list[list[str]] = []

    def measure(datasets: Sequence[Dataset]) -> float | None:
        measured.append([dataset.symbol for dataset in datasets])
        return 7.0 if datasets else None

    catalog = JobCatalog(JobJournal.in_memory())
    plan = JobPlanner(catalog, bench.candles, bench.gateway, UNREACHED, lambda _: AlwaysOpen(), measure).plan
    fill(bench, "OTHER", [(0, 5)])
    bench.candles.save(Dataset("memory", "DAILY", Interval("1d")), minutes(0, 1440), Candles.empty())
    assert plan(bench.request).forecast.bytes_per_bar == 7.0
    assert measured == [[], ["OTHER"]]
    fill(bench, "BBB", [(0, 5)])
    plan(bench.request)
    assert measured[2:] == [["BBB"]]


def test_what_is_provisional_and_has_settled_is_asked_again_and_what_has_not_is_not() -> None:
    bench = Bench(names(1), bars_each=10)
    request = replace(bench.request, settle_seconds=120)
    dataset = bench.gateway.dataset(bench.symbols[0], Interval("1m"))
    bench.candles.save(dataset, bench.span, bars(10), provisional_from_ms=8 * 60_000)
    told = replace(planner(bench, JobJournal.in_memory()), clock=lambda: 600.0).plan(request).forecast
    assert told.requests == 0
    told = replace(planner(bench, JobJournal.in_memory()), clock=lambda: 660.0).plan(request).forecast
    assert (told.requests, told.bars_expected) == (1, 0)


def test_only_limits_of_the_gateways_own_pool_count_and_a_vouched_for_way_frees_tokens_sooner() -> None:
    bench, store = Bench(names(20), bars_each=10), JobJournal.in_memory()
    recorded(store, replace(bench.request, symbols=("TIMED",)), Timings(1, 4.0, 4.0))
    limits = (RateLimit.parse("10/1s"), RateLimit.parse("1/1s@elsewhere"))
    request = replace(bench.request, concurrency=20, batch_size=20)

    def seconds(uplink_seconds: float | None) -> float:
        account = AccountLimits("memory", "default", limits, 10.0, 10.0, uplink_seconds=uplink_seconds)
        return replace(planner(bench, store), account=account).plan(request).forecast.seconds

    assert seconds(None) == pytest.approx(1 + 4 + 4, rel=0.01)
    assert seconds(0.5) == pytest.approx(1 + 0.5 + 4, rel=0.01)
    assert seconds(60) == seconds(None)
