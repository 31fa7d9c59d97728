from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from actors.use_cases.catalog import JobCatalog
from adapters.job_store.journal import JobJournal
from domain.errors import IllegalTransition
from domain.jobs.plan import job_id_of
from domain.jobs.status import JobStatus
from domain.spans.time_span import TimeSpan
from tests.job_examples import NOW, REQUEST, record


def brought_to(store: JobJournal, job_id: str, status: JobStatus) -> None:
    job = store.job(job_id)
    if status is JobStatus.CANCELLED:
        job.cancel(timestamp=NOW)
    elif status is not JobStatus.PENDING:
        job.start(timestamp=NOW)
    if status is JobStatus.PAUSED:
        job.pause(timestamp=NOW)
    elif status is JobStatus.FAILED:
        job.fail(timestamp=NOW + timedelta(seconds=1))
    store.save(job)


def grown() -> TimeSpan:
    return TimeSpan(REQUEST.span.start_ms, REQUEST.span.end_ms + REQUEST.interval.duration_ms)


@pytest.mark.parametrize("status", [status for status in JobStatus if status not in ("CANCELLED", "COMPLETED")])
def test_the_same_request_finds_its_job_whatever_its_status(status: JobStatus) -> None:
    store = JobJournal.in_memory()
    catalog = JobCatalog(store)
    job_id = catalog.find_or_submit(REQUEST)
    brought_to(store, job_id, status)
    assert catalog.find_or_submit(replace(REQUEST, workers=7)) == job_id
    assert store.job_ids() == [job_id]


def test_a_cancelled_jobs_request_makes_a_fresh_job_each_time_with_an_id_of_its_own() -> None:
    store = JobJournal.in_memory()
    catalog = JobCatalog(store)
    ids = []
    for _ in range(3):
        ids.append(catalog.find_or_submit(REQUEST))
        assert catalog.find_or_submit(REQUEST) == ids[-1]
        assert store.plan(ids[-1]).request == REQUEST
        catalog.cancel(ids[-1])
    first = job_id_of(REQUEST)
    assert ids == store.job_ids() == [first, f"{first}-2", f"{first}-3"]
    assert catalog.find(first) == first


def test_a_finished_job_whose_open_end_has_moved_on_is_followed_by_a_new_one_but_a_paused_one_goes_on() -> None:
    request = replace(REQUEST, open_ended=True)
    for status, is_followed in [(JobStatus.FAILED, True), (JobStatus.PAUSED, False)]:
        store = JobJournal.in_memory()
        catalog = JobCatalog(store)
        job_id = catalog.find_or_submit(request)
        brought_to(store, job_id, status)
        assert (catalog.find_or_submit(replace(request, span=grown())) != job_id) == is_followed


def test_a_finished_job_with_bars_that_have_settled_since_is_followed_by_one_that_asks_for_them_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A job of a fixed span would else leave its last bars provisional for ever."""
    clock = [datetime.fromtimestamp(REQUEST.span.end_ms / 1000, UTC) + timedelta(minutes=5)]
    monkeypatch.setattr("actors.use_cases.catalog.now", lambda: clock[0])
    store = JobJournal.in_memory()
    catalog = JobCatalog(store)
    request = replace(REQUEST, settle_seconds=3600)

    def collected_after(passed: timedelta) -> str:
        clock[0] += passed
        job_id = catalog.find_or_submit(request)
        if not store.job(job_id).status.is_final:
            brought_to(store, job_id, JobStatus.FAILED)
        return job_id

    first, at_once, completions, long_after = (
        collected_after(timedelta(minutes=minutes)) for minutes in (0, 0, 120, 10_000)
    )
    assert (at_once, completions, long_after) == (first, f"{first}-2", f"{first}-2")
    assert catalog.find_or_submit(REQUEST) == completions


@pytest.mark.parametrize(
    ("status", "allowed"),
    [
        (JobStatus.PENDING, {"resume"}),
        (JobStatus.RUNNING, {"resume"}),
        (JobStatus.PAUSED, {"resume"}),
        (JobStatus.FAILED, {"retry"}),
        (JobStatus.CANCELLED, set()),
    ],
)
def test_what_may_be_done_with_a_job_that_nobody_runs(status: JobStatus, allowed: set[str]) -> None:
    store = JobJournal.in_memory()
    catalog = JobCatalog(store)
    job_id = catalog.find_or_submit(REQUEST)
    brought_to(store, job_id, status)
    for command in ("resume", "retry"):
        if command in allowed:
            catalog.check_may(command, job_id)
        else:
            with pytest.raises(IllegalTransition, match=command):
                catalog.check_may(command, job_id)


def test_what_a_stored_job_shows_does_not_depend_on_the_gateway_of_the_settings() -> None:
    store = JobJournal.in_memory()
    catalog = JobCatalog(store)
    job_id = catalog.find_or_submit(REQUEST)
    job = store.job(job_id)
    job.start(timestamp=NOW)
    record(job, 0)
    record(job, 1, completed="CCC", finished=False, in_part=0.5)
    store.save(job)
    stored = catalog.progress(job_id)
    assert (stored.share, stored.pages_done, stored.pages_total) == (3.5 / 5, 6, None)
    job = store.job(job_id)
    record(job, 1)
    record(job, 2)
    job.conclude(timestamp=NOW)
    store.save(job)
    complete = catalog.progress(job_id)
    assert (complete.share, complete.pages_done, complete.pages_total) == (1, 12, 12)
