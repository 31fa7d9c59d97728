"""JobCatalog: finds, reads and cancels stored jobs without running any."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from actors.settings.timestamps import now
from domain.errors import IllegalTransition
from domain.jobs.history import HistoryEntry
from domain.jobs.plan import request_key_of
from domain.jobs.ports import JobStore
from domain.jobs.progress import Progress
from domain.jobs.request import CollectionRequest
from domain.jobs.status import ORPHANED, TRANSITIONS, JobStatus
from domain.jobs.timings import Timings, last_calls, typical_timings

MOST_TIMED_JOBS = 100
"""The most jobs that are read for their timings, however few calls they made."""


class JobCatalog:
    """The jobs of one store, by their full ids; raises JobNotFound, EventStoreUnavailable."""

    def __init__(self, store: JobStore) -> None:
        self._store = store

    def find(self, prefix: str) -> str:
        """The id of the one job that begins with `prefix`."""
        return self._store.find(prefix)

    def find_or_submit(self, request: CollectionRequest, force_new: bool = False) -> str:
        """The job of that request; a new one if there is none that is current.

        A cancelled job is not; nor is a finished one whose open end has moved on or whose bars have settled since, nor,
        with `force_new`, any finished one.
        """
        current = None if force_new else self._current_id(request)
        return current or self._store.submit(request, now(), force_new=True)

    def current(self, request: CollectionRequest) -> Progress | None:
        """The job that `find_or_submit` would return; None where it would submit a new one."""
        job_id = self._current_id(request)
        return self.progress(job_id) if job_id else None

    def request(self, job_id: str) -> CollectionRequest:
        """What the job collects."""
        return self._store.plan(job_id).request

    def is_finished(self, job_id: str) -> bool:
        """Whether the job has ended."""
        return self._store.job(job_id).status.is_final

    def check_may(self, command: str, job_id: str) -> None:
        """Raise IllegalTransition unless a job that nobody runs may be resumed or retried."""
        status = self._store.job(job_id).status
        allowed = TRANSITIONS[command].keys() | (ORPHANED if command == "resume" else set())
        if status not in allowed:
            raise IllegalTransition(job_id, str(status), command)

    def cancel(self, job_id: str, by: str = "") -> Progress:
        """Cancel a job that nobody runs; `by` says who gave the command."""
        job = self._store.job(job_id)
        job.cancel(reason="cancel", by=by, timestamp=now())
        self._store.save(job)
        return self.progress(job_id)

    def progress(self, job_id: str, at: datetime | None = None) -> Progress:
        """The job as it is stored, or as it was at a moment."""
        job = self._store.job(job_id) if at is None else self._store.as_at(job_id, at)
        return Progress.of_record(job, at or now())

    def ids(self) -> list[str]:
        """The ids of all jobs, oldest first; no job is read."""
        return self._store.job_ids()

    def all(self) -> list[Progress]:
        """Every job as it is stored, oldest first."""
        return [self.progress(job_id) for job_id in self._store.job_ids()]

    def history(self, job_id: str, until: datetime | None = None) -> list[HistoryEntry]:
        """What happened to the job, oldest first."""
        return self._store.history(job_id, until)

    def timings(self, broker: str, account: str) -> Timings:
        """The timings of the account's last calls, from one job or several; empty when none were timed."""
        return typical_timings(last_calls(self._timings(broker, account)))

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def _timings(self, broker: str, account: str) -> Iterator[Timings]:
        """The timings of the account's batches, newest first, from the last `MOST_TIMED_JOBS` jobs that made calls."""
        requests = ((job_id, self.request(job_id)) for job_id in reversed(self._store.job_ids()))
        of_account = (job_id for job_id, one in requests if (one.broker, one.account) == (broker, account))
        of_jobs = (self._store.job(job_id).timings for job_id in of_account)
        for timings in islice((timings for timings in of_jobs if any(timings)), MOST_TIMED_JOBS):
            yield from reversed(timings)

    def _current_id(self, request: CollectionRequest) -> str | None:
        job_id = self._store.latest(request_key_of(request))
        return None if job_id is None or self._is_stale(job_id, request) else job_id

    def _is_stale(self, job_id: str, request: CollectionRequest) -> bool:
        job, collected = self._store.job(job_id), self.request(job_id)
        has_grown = collected.span.end_ms < request.span.end_ms
        # Counted from the job's start: an answer may be that old, and provisional since then.
        has_settled = collected.settle_seconds > 0 and (
            collected.settled_bars(job.created_on) < request.settled_bars(now())
        )
        return job.status is JobStatus.CANCELLED or (job.status.is_final and (has_grown or has_settled))
