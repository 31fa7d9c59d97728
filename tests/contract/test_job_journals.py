"""What every store of jobs promises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.job_store.journal import JobJournal
from domain.candles.dataset import Interval
from domain.errors import EventStoreUnavailable, IllegalTransition, JobNotFound, SettingsError, StaleEpoch
from domain.jobs.ports import JobStore
from domain.jobs.status import JobStatus
from domain.spans.time_span import TimeSpan
from tests.contract.job_store_examples import batch_report, later, started, submitted
from tests.job_examples import NOW, REQUEST


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "not there yet" / "events.db"


@pytest.fixture(params=["in memory", "sqlite"])
def store(request: pytest.FixtureRequest, path: Path) -> Iterator[JobStore]:
    journal = JobJournal.in_memory() if request.param == "in memory" else JobJournal.sqlite(path)
    yield journal
    journal.close()


def test_a_submitted_job_is_pending_and_has_its_plan(store: JobStore) -> None:
    job = submitted(store)
    assert (job.status, job.symbols_total, job.created_on) == (JobStatus.PENDING, 5, NOW)
    assert store.plan(job.job_id).request == REQUEST


def test_submitting_again_changes_nothing(store: JobStore) -> None:
    job = started(store)
    assert store.submit(replace(REQUEST, workers=9), later(2)) == job.job_id
    assert store.job(job.job_id) == job
    assert store.plan(job.job_id).request == REQUEST


def test_a_request_is_run_again_only_after_its_job_has_ended(store: JobStore) -> None:
    job = started(store)
    assert store.submit(REQUEST, later(2), force_new=True) == job.job_id
    job.fail("it broke", timestamp=later(3))
    store.save(job)
    assert store.submit(REQUEST, later(4)) == job.job_id
    assert store.submit(REQUEST, later(4), force_new=True) == f"{job.job_id}-2"
    assert store.submit(REQUEST, later(5), force_new=True) == f"{job.job_id}-2"


def test_a_plan_keeps_whether_gaps_are_to_be_asked_again(store: JobStore) -> None:
    job_id = store.submit(replace(REQUEST, recheck_gaps=True), NOW)
    assert store.plan(job_id).request.recheck_gaps


def test_a_saved_job_comes_back_as_it_was_and_as_a_copy(store: JobStore) -> None:
    job = started(store)
    job.record_batch(batch_report(job), timestamp=later(2))
    store.save(job)
    reloaded = store.job(job.job_id)
    assert reloaded == job
    reloaded.pause(timestamp=later(3))
    assert store.job(job.job_id).status is JobStatus.RUNNING


def test_a_job_that_is_not_there_is_not_found(store: JobStore) -> None:
    for look in (store.job, store.plan, store.history, lambda job_id: store.as_at(job_id, NOW)):
        with pytest.raises(JobNotFound, match="'nothing'"):
            look("nothing")
    assert store.job_ids() == []
    assert store.latest("nothing") is None
    submitted(store)
    with pytest.raises(JobNotFound, match="'nothing'"):
        store.find("nothing")


def test_jobs_are_listed_in_the_order_they_were_submitted(store: JobStore) -> None:
    requests = [replace(REQUEST, account=account) for account in ("c", "a", "b")]
    ids = [store.submit(request, NOW) for request in requests]
    assert store.job_ids() == ids


def test_the_latest_job_of_a_request_key_is_found_again(store: JobStore) -> None:
    today = replace(REQUEST, open_ended=True)
    tomorrow = replace(today, span=TimeSpan(0, 2 * 86_400_000))
    key = submitted(store, today).request_key
    newest = submitted(store, tomorrow)
    assert newest.request_key == key
    submitted(store, replace(REQUEST, span=TimeSpan(0, 3 * 86_400_000)))
    assert store.latest(key) == newest.job_id


def test_a_job_is_found_by_a_beginning_of_its_id_that_only_it_has(store: JobStore) -> None:
    one, two = submitted(store), submitted(store, replace(REQUEST, interval=Interval("1d")))
    assert store.find("binance-1m") == one.job_id
    assert store.find(two.job_id) == two.job_id
    with pytest.raises(SettingsError, match=f"{one.job_id}, {two.job_id}"):
        store.find("binance")


def test_history_tells_what_happened_when_and_why(store: JobStore) -> None:
    job = started(store)
    job.record_batch(batch_report(job), timestamp=later(2))
    job.pause("pause", timestamp=later(3), by="alice@host: candles pause")
    store.save(job)
    entries = store.history(job.job_id)
    assert [entry.by for entry in entries] == ["", "", "", "alice@host: candles pause"]
    assert [(entry.version, entry.event, entry.reason, entry.timestamp) for entry in entries] == [
        (1, "Created", "", NOW),
        (2, "Started", "collect", later(1)),
        (3, "BatchRecorded", "", later(2)),
        (4, "Paused", "pause", later(3)),
    ]
    assert entries[2].details["failed"] == {"AAA": "SymbolRejected: unknown symbol"}
    assert store.history(job.job_id, until=later(2)) == entries[:3]


def test_a_job_can_be_seen_as_it_was_at_any_moment(store: JobStore) -> None:
    job = started(store)
    job.pause("pause", timestamp=later(3))
    store.save(job)
    moments = [NOW, later(1), later(3) - timedelta(microseconds=1), later(3), later(99)]
    assert [store.as_at(job.job_id, moment).status.value for moment in moments] == [
        "PENDING",
        "RUNNING",
        "RUNNING",
        "PAUSED",
        "PAUSED",
    ]
    with pytest.raises(JobNotFound):
        store.as_at(job.job_id, NOW - timedelta(microseconds=1))


def test_of_two_copies_the_second_to_be_saved_must_be_reloaded(store: JobStore) -> None:
    job = started(store)
    other = store.job(job.job_id)
    other.cancel("cancel", timestamp=later(2))
    store.save(other)
    job.record_batch(batch_report(job), timestamp=later(3))
    for _ in range(2):
        with pytest.raises(EventStoreUnavailable, match="another process changed"):
            store.save(job)
    assert store.job(job.job_id) == other


def test_a_coordinator_whose_job_was_taken_over_is_told_so(store: JobStore) -> None:
    job = started(store)
    successor = store.job(job.job_id)
    successor.take_over(timestamp=later(2))
    store.save(successor)
    job.record_batch(batch_report(job), timestamp=later(3))
    with pytest.raises(StaleEpoch) as stale:
        store.save(job)
    assert (stale.value.epoch, stale.value.current_epoch) == (1, 2)
    assert store.job(job.job_id) == successor


def test_an_object_used_on_after_a_failed_save_cannot_leave_a_gap(store: JobStore) -> None:
    job = started(store)
    other = store.job(job.job_id)
    other.pause(timestamp=later(2))
    store.save(other)
    job.pause(timestamp=later(3))
    for command in (job.resume, job.pause, job.resume):
        with pytest.raises((EventStoreUnavailable, StaleEpoch)):
            store.save(job)
        command(timestamp=later(4))
    assert [entry.version for entry in store.history(job.job_id)] == [1, 2, 3]
    assert store.job(job.job_id) == other


def test_a_refused_command_leaves_nothing_to_save(store: JobStore) -> None:
    job = started(store)
    with pytest.raises(IllegalTransition):
        job.resume(timestamp=later(2))
    store.save(job)
    assert len(store.history(job.job_id)) == 2
