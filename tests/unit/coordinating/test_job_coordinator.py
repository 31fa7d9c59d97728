from __future__ import annotations

import asyncio
import time

import pytest

from actors.coordinating.recorder import SAVE_ATTEMPTS
from domain.errors import CredentialsRefused, EventStoreUnavailable, StaleEpoch, SymbolRejected, WorkerLost
from domain.jobs.batches import BatchReport, WorkerOutcome
from domain.jobs.ports import ProgressEvent
from domain.jobs.request import FailureAllowance, OnTooManyFailures
from domain.jobs.status import JobStatus
from tests.unit.collecting.worker_bench import names
from tests.unit.coordinating.coordinator_bench import CoordinatorBench, LocalWorker

HOUR_SECONDS = 3600.0
"""Of virtual time: longer than any run here takes to end."""


def rejected(*symbols: str) -> dict[str, list[SymbolRejected]]:
    return {symbol: [SymbolRejected("memory", symbol, "unknown symbol")] for symbol in symbols}


async def test_a_job_runs_to_completed_with_its_failures_listed() -> None:
    bench = CoordinatorBench(10, mishaps=rejected("S03"), workers=2)
    await bench.coordinator.begin()
    job = await bench.ended()
    assert (job.status, job.symbols_completed, list(job.failed_symbols)) == (JobStatus.COMPLETED, 9, ["S03"])
    assert (job.requests, job.candles_saved) == (10, 90)


@pytest.mark.parametrize(
    ("choice", "status"), [(OnTooManyFailures.PAUSE, JobStatus.PAUSED), (OnTooManyFailures.FAIL, JobStatus.FAILED)]
)
async def test_more_failures_than_allowed_end_the_run_at_once(choice: OnTooManyFailures, status: JobStatus) -> None:
    bench = CoordinatorBench(
        10, mishaps=rejected(*names(10)), on_too_many_failures=choice, max_failures=FailureAllowance(count=1)
    )
    await bench.coordinator.begin()
    job = await bench.ended()
    assert (job.status, job.reason) == (status, "too_many_failures")
    assert len(bench.exchange.asked) < 10


async def test_more_failures_than_allowed_at_the_end_fail_the_job() -> None:
    bench = CoordinatorBench(2, mishaps=rejected(*names(2)), max_failures=FailureAllowance(count=1))
    await bench.coordinator.begin()
    assert (await bench.ended()).status is JobStatus.FAILED


async def test_retry_collects_the_failed_symbols_only() -> None:
    bench = CoordinatorBench(4, mishaps=rejected("S01"), max_failures=FailureAllowance(count=0))
    await bench.coordinator.begin()
    assert (await bench.ended()).status is JobStatus.PAUSED
    await bench.new_coordinator().begin()
    assert (await bench.ended()).status is JobStatus.FAILED
    asked = len(bench.exchange.asked)
    await bench.new_coordinator().begin(retry=True)
    job = await bench.ended()
    assert (job.status, job.symbols_completed) == (JobStatus.COMPLETED, 4)
    assert [symbol for symbol, _ in bench.exchange.asked[asked:]] == ["S01"]


async def test_a_lost_workers_batch_goes_to_a_new_worker_and_its_late_report_is_refused() -> None:
    late: list[BatchReport] = []

    async def claim_and_die(worker: LocalWorker) -> WorkerOutcome:
        work = await bench.coordinator.claim_batch(bench.job_id, worker.name)
        assert work is not None
        late.append(BatchReport(work.batch, work.epoch, True, work.symbols, candles_saved=999))
        raise WorkerLost(worker.name, "kill -9")

    bench = CoordinatorBench(script=[claim_and_die])
    await bench.coordinator.begin()
    await asyncio.sleep(0.05)
    with pytest.raises(StaleEpoch):
        await bench.coordinator.report_batch(bench.job_id, bench.workers[0].name, late[0])
    job = await bench.ended()
    assert (job.status, job.symbols_completed, job.candles_saved) == (JobStatus.COMPLETED, 4, 40)
    assert len(bench.workers) == 2


async def paused_and_resumed(bench: CoordinatorBench) -> None:
    await bench.coordinator.pause()
    await bench.coordinator.resume()


async def test_a_report_of_an_epoch_older_than_its_batchs_claim_is_refused() -> None:
    refused: list[StaleEpoch] = []

    async def report_twice(worker: LocalWorker) -> WorkerOutcome:
        first = await bench.coordinator.claim_batch(bench.job_id, worker.name)
        assert first is not None
        given_back = BatchReport(first.batch, first.epoch, False, (), requests=1)
        await bench.coordinator.report_batch(bench.job_id, worker.name, given_back)
        await paused_and_resumed(bench)
        again = await bench.coordinator.claim_batch(bench.job_id, worker.name)
        assert again is not None
        assert (again.batch, again.epoch) == (first.batch, 2)
        try:
            await bench.coordinator.report_batch(bench.job_id, worker.name, given_back)
        except StaleEpoch as error:
            refused.append(error)
        raise WorkerLost(worker.name, "enough")

    bench = CoordinatorBench(2, script=[report_twice])
    await bench.coordinator.begin()
    job = await bench.ended()
    assert len(refused) == 1
    assert (job.status, job.requests) == (JobStatus.COMPLETED, 1 + 2)


async def test_a_batch_claimed_before_a_pause_is_reported_under_its_claims_epoch() -> None:
    async def report_after_a_pause(worker: LocalWorker) -> WorkerOutcome:
        work = await bench.coordinator.claim_batch(bench.job_id, worker.name)
        assert work is not None
        await paused_and_resumed(bench)
        assert (work.epoch, bench.job.epoch) == (1, 2)
        report = BatchReport(work.batch, work.epoch, True, work.symbols, candles_saved=20)
        await bench.coordinator.report_batch(bench.job_id, worker.name, report)
        return WorkerOutcome("done")

    bench = CoordinatorBench(2, script=[report_after_a_pause])
    await bench.coordinator.begin()
    job = await bench.ended()
    assert (job.status, job.symbols_completed, job.candles_saved) == (JobStatus.COMPLETED, 2, 20)


async def test_a_batch_that_kills_three_workers_stops_the_job() -> None:
    async def claim_and_die(worker: LocalWorker) -> WorkerOutcome:
        await bench.coordinator.claim_batch(bench.job_id, worker.name)
        raise WorkerLost(worker.name, "out of memory")

    bench = CoordinatorBench(script=[claim_and_die] * 9)
    await bench.coordinator.begin()
    job = await bench.ended()
    assert (job.status, job.reason, len(bench.workers)) == (JobStatus.PAUSED, "workers_keep_dying", 3)


async def test_workers_that_never_come_to_claim_a_batch_are_not_made_for_ever() -> None:
    async def die(worker: LocalWorker) -> WorkerOutcome:
        raise WorkerLost(worker.name, "its module cannot be imported")

    bench = CoordinatorBench(script=[die] * 9)
    await bench.coordinator.begin()
    assert ((await bench.ended()).reason, len(bench.workers)) == ("workers_keep_dying", 3)


async def test_paused_is_recorded_only_when_nothing_is_in_flight_and_resume_goes_on() -> None:
    bench = CoordinatorBench()
    await bench.coordinator.begin()
    await asyncio.sleep(0.05)
    pausing = asyncio.ensure_future(bench.coordinator.pause())
    await asyncio.sleep(0)
    assert (bench.exchange.in_flight, bench.job.status) == (1, JobStatus.RUNNING)
    assert (await pausing).status is bench.job.status is JobStatus.PAUSED
    assert bench.exchange.in_flight == 0
    asked = len(bench.exchange.asked)
    await asyncio.sleep(30)
    assert len(bench.exchange.asked) == asked == 1
    assert (await bench.coordinator.resume()).status is JobStatus.RUNNING
    job = await bench.ended()
    assert (job.status, job.symbols_completed, job.requests) == (JobStatus.COMPLETED, 4, 4)


async def test_a_worker_made_during_a_pause_begins_nothing() -> None:
    bench = CoordinatorBench()
    await bench.coordinator.begin()
    await asyncio.sleep(0.05)
    await bench.coordinator.pause()
    asked = len(bench.exchange.asked)
    bench.workers[0].kill()
    await asyncio.sleep(30)
    assert (len(bench.workers), len(bench.exchange.asked)) == (2, asked)
    await bench.coordinator.resume()
    assert (await bench.ended()).status is JobStatus.COMPLETED


async def test_a_pause_that_arrives_after_its_resume_records_nothing() -> None:
    bench = CoordinatorBench()
    await bench.coordinator.begin()
    await bench.coordinator.resume(number=2)
    await bench.coordinator.pause(number=1)
    assert (await bench.ended()).status is JobStatus.COMPLETED
    assert "Paused" not in bench.events


async def test_a_resume_that_arrives_after_a_later_pause_records_nothing() -> None:
    bench = CoordinatorBench()
    await bench.coordinator.begin()
    await bench.coordinator.pause(number=2)
    assert (await bench.coordinator.resume(number=1)).status is JobStatus.PAUSED
    assert "Resumed" not in bench.events
    await bench.coordinator.shutdown()


async def test_a_resume_is_obeyed_by_coordinator_and_workers_whatever_the_clocks_of_those_who_ordered() -> None:
    bench = CoordinatorBench()
    await bench.coordinator.begin()
    await bench.coordinator.pause(number=time.time_ns())
    await bench.coordinator.resume()
    assert (await bench.ended()).status is JobStatus.COMPLETED
    assert bench.events.count("Resumed") == 1


async def test_a_shutdown_of_a_job_paused_after_its_last_batch_leaves_it_paused_and_the_next_run_completes_it() -> None:
    bench = CoordinatorBench(2)
    await bench.coordinator.begin()
    await asyncio.sleep(0.15)
    await bench.coordinator.pause()
    assert bench.job.all_batches_finished
    assert (await bench.coordinator.shutdown()).status is JobStatus.PAUSED
    await bench.new_coordinator().begin()
    assert (await bench.ended()).status is JobStatus.COMPLETED


@pytest.mark.parametrize("state", ["hung fetch", "waiting for a permit", "paused", "stuck worker"])
async def test_a_shutdown_from_any_state_persists_paused_within_a_second(state: str) -> None:
    bench = CoordinatorBench(mishaps={"S00": [asyncio.Event()]} if state in ("hung fetch", "stuck worker") else None)
    if state == "waiting for a permit":
        bench.limiter.gate.clear()
    await bench.coordinator.begin()
    await asyncio.sleep(0.05)
    if state == "paused":
        await bench.coordinator.pause()
    bench.workers[0].is_stuck = state == "stuck worker"
    called_at = asyncio.get_running_loop().time()
    progress = await bench.coordinator.shutdown()
    assert asyncio.get_running_loop().time() - called_at < 1
    assert progress.status is bench.job.status is JobStatus.PAUSED
    assert ("kill" in bench.workers[0].orders) == (state == "stuck worker")
    assert not progress.is_attended
    assert await bench.coordinator.shutdown() == await bench.coordinator.progress()


async def test_cancel_gives_the_job_up_while_it_runs_and_after_its_run_has_ended() -> None:
    running, ended = CoordinatorBench(), CoordinatorBench()
    await running.coordinator.begin()
    assert (await running.coordinator.cancel()).status is running.job.status is JobStatus.CANCELLED
    await ended.coordinator.begin()
    await ended.coordinator.shutdown()
    assert (await ended.coordinator.cancel()).status is ended.job.status is JobStatus.CANCELLED


async def test_history_tells_who_gave_each_command() -> None:
    bench = CoordinatorBench(20)
    await bench.coordinator.begin(by="a: collect")
    await bench.coordinator.pause(by="b: pause")
    await bench.coordinator.resume(by="c: resume")
    await bench.coordinator.shutdown(by="d: Ctrl-C")
    await bench.new_coordinator().begin(by="e: resume")
    await bench.coordinator.cancel(by="f: cancel")
    told = [(entry.event, entry.by) for entry in bench.store.history(bench.job_id) if entry.event != "BatchRecorded"]
    assert told == [
        ("Created", ""),
        ("Started", "a: collect"),
        ("Paused", "b: pause"),
        ("Resumed", "c: resume"),
        ("Paused", "d: Ctrl-C"),
        ("Resumed", "e: resume"),
        ("Cancelled", "f: cancel"),
    ]


async def test_history_tells_who_had_an_orphaned_job_go_on() -> None:
    bench = CoordinatorBench()
    job = bench.job
    job.start(timestamp=job.created_on)
    bench.store.save(job)
    await bench.coordinator.begin(by="a: resume")
    await bench.ended()
    told = {entry.event: entry.by for entry in bench.store.history(bench.job_id)}
    assert (told["TakenOver"], told["Completed"]) == ("a: resume", "")


async def test_history_tells_who_had_failed_symbols_tried_again_and_blames_nobody_for_trouble() -> None:
    bench = CoordinatorBench(4, mishaps=rejected("S01"), max_failures=FailureAllowance(count=0))
    await bench.coordinator.begin(by="a: collect")
    await bench.ended()
    await bench.new_coordinator().begin(by="b: collect")
    await bench.ended()
    await bench.new_coordinator().begin(retry=True, by="c: retry")
    await bench.ended()
    told = {entry.event: entry.by for entry in bench.store.history(bench.job_id)}
    assert (told["Paused"], told["Retried"]) == ("", "c: retry")


async def test_a_coordinator_in_place_of_a_dead_one_takes_over_in_a_higher_epoch() -> None:
    bench = CoordinatorBench()
    job = bench.job
    job.start(timestamp=job.created_on)
    bench.store.save(job)
    assert (await bench.coordinator.wait_for(0, 1)).status is JobStatus.RUNNING
    job = await bench.ended()
    assert (job.status, job.epoch, "TakenOver" in bench.events) == (JobStatus.COMPLETED, 2, True)


async def test_a_coordinator_in_place_of_a_dead_one_leaves_a_paused_job_paused() -> None:
    bench = CoordinatorBench()
    job = bench.job
    job.start(timestamp=job.created_on)
    job.pause(timestamp=job.created_on)
    bench.store.save(job)
    progress = await bench.coordinator.wait_for(-1, 1)
    assert (progress.status, progress.is_attended, bench.workers) == (JobStatus.PAUSED, False, [])


@pytest.mark.parametrize("lands", [False, True])
async def test_a_save_that_fails_once_is_repeated_and_nothing_is_recorded_twice(lands: bool) -> None:
    bench = CoordinatorBench()
    await bench.coordinator.begin()
    bench.store.failing, bench.store.lands = 1, lands
    job = await bench.ended()
    assert (job.status, job.symbols_completed, job.candles_saved) == (JobStatus.COMPLETED, 4, 40)
    assert bench.events.count("BatchRecorded") == 2


async def test_a_report_that_the_store_refused_is_recorded_with_the_pause_that_follows_from_it() -> None:
    bench = CoordinatorBench()
    await bench.coordinator.begin()
    bench.store.failing = SAVE_ATTEMPTS
    job = await bench.ended()
    assert (job.status, job.symbols_completed, job.candles_saved, job.requests) == (JobStatus.PAUSED, 2, 20, 2)
    assert job.reason == "storage_unavailable: the event store a store cannot be used: the disk is full"
    progress = await bench.coordinator.progress()
    assert (progress.candles_saved, progress.requests) == (20, 2)


@pytest.mark.parametrize("lands", [False, True])
async def test_whatever_fails_while_saving_the_display_says_what_the_store_says_plus_what_is_live(lands: bool) -> None:
    bench = CoordinatorBench(2)
    await bench.coordinator.begin()
    bench.store.failing, bench.store.lands = 1000, lands
    shown = [await bench.coordinator.progress()]

    async def look() -> None:
        while True:
            await asyncio.sleep(0.05)
            shown.append(await bench.coordinator.progress())

    with pytest.raises(EventStoreUnavailable, match="the disk is full"):
        await asyncio.wait_for(look(), HOUR_SECONDS)
    counts = [(progress.candles_saved, progress.requests, progress.pages_done, progress.share) for progress in shown]
    assert counts == sorted(counts), "none falls back"
    assert counts[-1] == (20, 2, 2, 1.0)
    assert bench.job.candles_saved == (20 if lands else 0)
    if not lands:
        assert (shown[-1].status, bench.job.status) == (JobStatus.RUNNING, JobStatus.RUNNING)


async def test_who_waits_for_a_job_is_told_that_its_end_could_not_be_stored() -> None:
    bench = CoordinatorBench()

    async def wait() -> None:
        seen = await bench.coordinator.begin()
        while True:
            bench.store.failing = 1000
            seen = await bench.coordinator.wait_for(seen.version, 10.0)

    with pytest.raises(EventStoreUnavailable, match="the disk is full"):
        await asyncio.wait_for(wait(), HOUR_SECONDS)


async def test_a_cancelled_job_shows_as_much_done_as_it_did_while_it_ran() -> None:
    bench = CoordinatorBench(mishaps={"S01": [asyncio.Event()]})
    await bench.coordinator.begin()
    await asyncio.sleep(1)
    before = await bench.coordinator.progress()
    cancelled = await bench.coordinator.cancel()
    assert before.share == cancelled.share == bench.job.work.share == 0.25


async def test_what_a_worker_killed_by_the_shutdown_had_saved_stays_counted() -> None:
    bench = CoordinatorBench(mishaps={"S01": [asyncio.Event()]})
    await bench.coordinator.begin()
    await asyncio.sleep(1)
    bench.workers[0].is_stuck = True
    progress = await bench.coordinator.shutdown()
    assert (progress.status, progress.candles_saved, progress.requests) == (JobStatus.PAUSED, 10, 1)
    assert (bench.job.candles_saved, bench.job.requests) == (10, 1)


async def test_a_shutdown_whose_pause_cannot_be_stored_says_so() -> None:
    bench = CoordinatorBench()
    await bench.coordinator.begin()
    bench.store.failing = 1000
    called_at = asyncio.get_running_loop().time()
    with pytest.raises(EventStoreUnavailable):
        await bench.coordinator.shutdown()
    assert asyncio.get_running_loop().time() - called_at < 1
    assert bench.job.status is JobStatus.RUNNING


@pytest.mark.parametrize("order", ["report", "pause", "shutdown", "cancel"])
async def test_a_superseded_coordinator_stops_and_writes_nothing(order: str) -> None:
    bench = CoordinatorBench()
    await bench.coordinator.begin()
    await asyncio.sleep(0.05)
    other = bench.job
    other.take_over(timestamp=other.modified_on)
    bench.store.save(other)
    if order == "pause":
        await bench.coordinator.pause()
    elif order in ("shutdown", "cancel"):
        with pytest.raises(StaleEpoch):
            await getattr(bench.coordinator, order)()
    job = await bench.ended()
    assert (job.status, bench.events[-1]) == (JobStatus.RUNNING, "TakenOver")


async def test_refused_credentials_pause_the_job_and_blame_no_symbol() -> None:
    bench = CoordinatorBench(mishaps={"S02": [CredentialsRefused("memory", "S02", "bad key")]})
    await bench.coordinator.begin()
    job = await bench.ended()
    assert (job.status, job.failed_symbols) == (JobStatus.PAUSED, {})
    assert job.reason.startswith("broker_refused_credentials")


async def test_a_bug_in_a_worker_ends_the_run_with_its_reason() -> None:
    async def stumble(worker: LocalWorker) -> WorkerOutcome:
        raise ZeroDivisionError("a bug")

    bench = CoordinatorBench(script=[stumble])
    await bench.coordinator.begin()
    job = await bench.ended()
    assert job.status is JobStatus.PAUSED
    assert "ZeroDivisionError: a bug" in job.reason


async def test_wait_for_returns_at_once_when_there_is_news_and_after_the_timeout_otherwise() -> None:
    bench = CoordinatorBench(mishaps={"S00": [asyncio.Event()]})
    seen = await bench.coordinator.begin()
    loop = asyncio.get_running_loop()
    called_at = loop.time()
    await bench.coordinator.wait_for(seen.version - 1, 50)
    assert loop.time() - called_at < 1
    called_at = loop.time()
    await bench.coordinator.wait_for(seen.version + 100, 50)
    assert loop.time() - called_at >= 50
    await bench.coordinator.shutdown()


async def test_nothing_counts_twice_while_a_report_is_being_stored() -> None:
    bench = CoordinatorBench(2)
    await bench.coordinator.begin()
    bench.store.gate.clear()
    await asyncio.sleep(0.3)
    assert bench.store.is_saving
    progress = await bench.coordinator.progress()
    bench.store.gate.set()
    assert (progress.candles_saved, progress.requests, progress.pages_done) == (20, 2, 2)
    assert (await bench.ended()).candles_saved == 20


async def test_progress_that_arrives_while_its_report_is_being_stored_counts_once() -> None:
    bench = CoordinatorBench(2)
    await bench.coordinator.begin()
    bench.store.gate.clear()
    await asyncio.sleep(0.3)
    assert bench.store.is_saving
    await bench.coordinator.emit(ProgressEvent(bench.workers[0].name, 0, 1, "page", candles=10, requests=1))
    bench.store.gate.set()
    await bench.ended()
    progress = await bench.coordinator.progress()
    assert (progress.candles_saved, progress.requests) == (20, 2)
