"""CollectionJob and CollectionPlan: what a job allows, counts and remembers."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from domain.errors import IllegalTransition
from domain.jobs.job import CollectionJob
from domain.jobs.status import TRANSITIONS, JobStatus
from tests.job_examples import NOW, PLAN, failure, job_in, record, report, running, with_all_batches_finished


def carry_out(job: CollectionJob, command: str) -> None:
    if command == "record_batch":
        record(job, 0)
    elif command == "note_cooldown":
        job.note_cooldown(12.0, "HTTP 429", timestamp=NOW, command_id="cooldown")
    else:
        getattr(job, command)(timestamp=NOW)


@pytest.mark.parametrize("status", JobStatus)
@pytest.mark.parametrize("command", TRANSITIONS)
def test_every_command_in_every_status_does_what_the_table_says(status: JobStatus, command: str) -> None:
    job = job_in(status)
    version = job.version
    if status in TRANSITIONS[command]:
        carry_out(job, command)
        assert job.status is TRANSITIONS[command][status]
    else:
        with pytest.raises(IllegalTransition, match=f"{status}: it cannot {command.replace('_', ' ')}"):
            carry_out(job, command)
        assert (job.status, job.version) == (status, version)


def test_the_table_is_the_one_of_the_design() -> None:
    edges = {(before, after) for steps in TRANSITIONS.values() for before, after in steps.items() if before != after}
    assert {f"{before}>{after}" for before, after in edges} == {
        "PENDING>RUNNING",
        "RUNNING>PAUSED",
        "PAUSED>RUNNING",
        "RUNNING>COMPLETED",
        "RUNNING>FAILED",
        "PENDING>CANCELLED",
        "RUNNING>CANCELLED",
        "PAUSED>CANCELLED",
        "COMPLETED>RUNNING",
        "FAILED>RUNNING",
    }


def test_a_report_counts_once_for_each_batch_and_epoch() -> None:
    job = running()
    assert record(job, 0, failed="AAA", completed="BBB")
    assert not record(job, 0, failed="AAA", completed="BBB")
    counts = (job.candles_saved, job.candles_quarantined, job.pages, job.requests)
    assert counts == (10, 1, 3, 4)
    assert (job.symbols_completed, job.symbols_failed) == (1, 1)


def test_a_report_of_a_claim_that_outlived_a_pause_is_recorded_in_the_epoch_that_holds() -> None:
    job = running()
    late = report(job, 0)
    job.pause(timestamp=NOW)
    job.resume(timestamp=NOW)
    assert job.record_batch(late, timestamp=NOW)
    assert not job.record_batch(late, timestamp=NOW)
    recorded = job.collect_events()[-1]
    assert (recorded.epoch, late.epoch) == (2, 1)


def test_a_batch_the_job_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="no batch 3"):
        record(running(), 3)


def test_an_unfinished_report_leaves_the_batch_waiting_without_its_failed_symbols() -> None:
    job = running()
    assert record(job, 0, failed="AAA", finished=False)
    assert not record(job, 0, failed="AAA", finished=False)
    assert job.remaining_batches(PLAN) == [(0, ("BBB",)), (1, ("CCC", "DDD")), (2, ("EEE",))]
    assert record(job, 0, completed="BBB")
    assert (job.symbols_completed, job.symbols_failed, job.requests) == (1, 1, 8)


def test_completed_symbols_of_an_unfinished_batch_are_counted_and_not_twice() -> None:
    job = running()
    record(job, 1, completed="CCC", finished=False)
    assert job.symbols_completed == 1
    job.take_over(timestamp=NOW)
    record(job, 1, finished=False)
    assert job.symbols_completed == 1
    job.take_over(timestamp=NOW)
    record(job, 1)
    assert job.symbols_completed == 2


def test_what_is_done_of_a_batch_is_never_undone_and_a_retry_is_work_once_more() -> None:
    job = running()
    record(job, 0, completed="AAA", finished=False, in_part=0.5)
    assert (job.work.done, job.work.total) == (1.5, 5)
    job.take_over(timestamp=NOW)
    record(job, 0, finished=False)
    assert job.work.done == 1.5
    job.take_over(timestamp=NOW)
    record(job, 0, failed="BBB")
    assert job.work.done == 2
    record(job, 1)
    record(job, 2)
    assert job.work.share == 1
    job.conclude(timestamp=NOW)
    job.retry(timestamp=NOW)
    assert (job.work.done, job.work.total) == (5, 6)
    record(job, 3, finished=False, in_part=0.25)
    assert job.work.done == 5.25


def test_a_batch_with_nothing_left_to_do_is_finished_whatever_the_worker_says() -> None:
    job = running()
    record(job, 0, failed="AAA", completed="BBB", finished=False)
    assert [batch for batch, _ in job.remaining_batches(PLAN)] == [1, 2]


def test_a_paused_job_still_takes_the_reports_of_stopped_workers() -> None:
    job = running()
    job.pause("pause", timestamp=NOW)
    assert record(job, 0, completed="AAA", finished=False)
    assert job.status is JobStatus.PAUSED


def test_more_failures_than_allowed_are_too_many_until_a_person_resumes() -> None:
    job = running()
    record(job, 0, failed="AAA")
    assert not job.too_many_failures
    record(job, 1, failed="CCC")
    assert job.too_many_failures
    job.pause("too_many_failures", timestamp=NOW)
    job.resume(timestamp=NOW)
    assert not job.too_many_failures
    record(job, 2, failed="EEE")
    assert not job.too_many_failures


def test_a_new_coordinator_gets_no_fresh_allowance() -> None:
    job = running()
    record(job, 0, failed="AAA BBB")
    job.take_over(timestamp=NOW)
    assert job.too_many_failures


def test_at_the_end_more_failures_than_allowed_fail_the_job() -> None:
    allowed, too_many = with_all_batches_finished("AAA"), with_all_batches_finished("AAA BBB")
    allowed.conclude(timestamp=NOW)
    too_many.conclude(timestamp=NOW)
    assert (allowed.status, allowed.reason) == (JobStatus.COMPLETED, "")
    assert (too_many.status, too_many.reason) == (JobStatus.FAILED, "too_many_failures")


@pytest.mark.parametrize("command", ["complete", "conclude"])
def test_a_job_with_unfinished_batches_cannot_be_completed(command: str) -> None:
    job = running()
    record(job, 0, failed="AAA BBB")
    with pytest.raises(IllegalTransition, match="unfinished"):
        getattr(job, command)(timestamp=NOW)
    assert job.status is JobStatus.RUNNING


def test_retry_hands_out_the_failed_symbols_only_and_clears_those_that_then_succeed() -> None:
    job = running()
    record(job, 0, failed="AAA BBB")
    record(job, 1, failed="DDD")
    record(job, 2)
    job.conclude(timestamp=NOW)
    job.retry(timestamp=NOW + timedelta(hours=1))
    assert (job.status, job.epoch, job.completed_at) == (JobStatus.RUNNING, 2, None)
    assert job.remaining_batches(PLAN) == [(3, ("AAA", "BBB")), (4, ("DDD",))]
    record(job, 3, failed="BBB")
    record(job, 4)
    job.conclude(timestamp=NOW + timedelta(hours=2))
    assert job.status is JobStatus.COMPLETED
    assert job.failed_symbols == {"BBB": failure("BBB")}
    assert (job.symbols_completed, job.symbols_failed) == (4, 1)


def test_a_retried_symbol_counts_as_failed_until_its_batch_is_finished() -> None:
    job = with_all_batches_finished("AAA BBB")
    job.fail(timestamp=NOW)
    job.retry(timestamp=NOW)
    record(job, 3, completed="AAA", finished=False)
    assert (job.symbols_completed, job.symbols_failed) == (3, 2)
    job.take_over(timestamp=NOW)
    record(job, 3, completed="AAA", finished=False)
    assert job.requests == 5 * 4
    record(job, 3, completed="AAA BBB")
    assert (job.symbols_completed, job.symbols_failed) == (5, 0)


def test_retry_of_a_job_that_failed_midway_also_goes_on_with_its_unfinished_batches() -> None:
    job = running()
    record(job, 0, failed="AAA BBB")
    record(job, 1, failed="CCC", finished=False)
    job.fail("too_many_failures", timestamp=NOW)
    job.retry(timestamp=NOW)
    assert job.remaining_batches(PLAN) == [(1, ("DDD",)), (2, ("EEE",)), (3, ("AAA", "BBB")), (4, ("CCC",))]


def test_a_second_retry_does_not_hand_out_a_symbol_that_still_waits() -> None:
    job = running()
    record(job, 0, failed="AAA BBB")
    job.fail(timestamp=NOW)
    job.retry(timestamp=NOW)
    job.fail(timestamp=NOW)
    job.retry(timestamp=NOW)
    assert job.remaining_batches(PLAN) == [(1, ("CCC", "DDD")), (2, ("EEE",)), (3, ("AAA", "BBB"))]


def test_there_is_nothing_to_retry_where_nothing_failed() -> None:
    job = with_all_batches_finished()
    job.conclude(timestamp=NOW)
    with pytest.raises(IllegalTransition, match="no symbol has failed"):
        job.retry(timestamp=NOW)


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("pause", JobStatus.RUNNING),
        ("resume", JobStatus.PAUSED),
        ("cancel", JobStatus.RUNNING),
        ("retry", JobStatus.FAILED),
    ],
)
def test_a_command_repeated_under_its_id_does_nothing(command: str, status: JobStatus) -> None:
    job = job_in(status)
    getattr(job, command)(timestamp=NOW, command_id="c1")
    version = job.version
    getattr(job, command)(timestamp=NOW, command_id="c1")
    assert job.version == version
    with pytest.raises(IllegalTransition):
        getattr(job, command)(timestamp=NOW, command_id="c2")


def test_started_at_is_the_first_start_and_completed_at_comes_with_the_end_only() -> None:
    job = running()
    job.pause(timestamp=NOW + timedelta(minutes=1))
    job.resume(timestamp=NOW + timedelta(minutes=2))
    assert (job.started_at, job.completed_at) == (NOW, None)
    job.cancel("cancel", timestamp=NOW + timedelta(minutes=3))
    assert (job.started_at, job.completed_at) == (NOW, NOW + timedelta(minutes=3))


def test_running_seconds_leave_out_pauses_and_the_time_after_a_crash() -> None:
    job = running()
    job.pause(timestamp=NOW + timedelta(seconds=10))
    job.resume(timestamp=NOW + timedelta(seconds=100))
    job.record_batch(report(job, 0), timestamp=NOW + timedelta(seconds=105))
    job.take_over(timestamp=NOW + timedelta(days=1))
    assert job.running_seconds(NOW + timedelta(days=1, seconds=2)) == 17


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        running().pause(timestamp=datetime(2024, 3, 1))  # noqa: DTZ001
