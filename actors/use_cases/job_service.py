"""JobService: what a driver, or the command line, can do with jobs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Self

from actors.use_cases.catalog import JobCatalog
from actors.use_cases.runner import JobRunner
from domain.jobs.history import HistoryEntry
from domain.jobs.progress import Progress
from domain.jobs.request import CollectionRequest
from domain.jobs.status import JobStatus

if TYPE_CHECKING:
    from actors.cluster.handles import JobHandle
    from actors.use_cases.finished_job import FinishedJob


class JobService:
    """Submits jobs, steers running ones and reads stored ones; a context manager.

    The first call that needs a runner starts Ray, or joins it. A job may be named by any unique beginning of its id;
    anything else raises JobNotFound. `request` makes the request of a submit without one, and `by` says who gives the
    commands.
    """

    def __init__(
        self, catalog: JobCatalog, runner: JobRunner, request: Callable[[], CollectionRequest], by: str = ""
    ) -> None:
        self._catalog = catalog
        self._runner = runner
        self._request = request
        self._by = by

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, request: CollectionRequest | None = None, force_new: bool = False) -> JobHandle | FinishedJob:
        """Collect: a new job is started, a paused or orphaned one resumed, a running one joined.

        A finished one is answered from the store, unless it is stale; `force_new` makes a new job of the same request
        instead.
        """
        job_id = self._catalog.find_or_submit(request or self._request(), force_new)
        if self._catalog.is_finished(job_id):
            from actors.use_cases.finished_job import FinishedJob

            return FinishedJob(self._catalog.progress(job_id))
        handle = self._runner.take_up(job_id)
        progress = handle.progress()
        if progress.is_attended and progress.status is JobStatus.PAUSED:
            handle.resume()
        return handle

    def resume(self, job: str) -> JobHandle:
        """Resume a paused or orphaned job; an attended one resumes where it runs."""
        job_id = self._catalog.find(job)
        attached = self._runner.attach(job_id)
        if attached is not None:
            attached.resume()
            return attached
        self._catalog.check_may("resume", job_id)
        return self._runner.take_up(job_id)

    def retry(self, job: str) -> JobHandle:
        """Collect the failed symbols of a finished job once more."""
        job_id = self._catalog.find(job)
        self._catalog.check_may("retry", job_id)
        return self._runner.take_up(job_id, retry=True)

    def cancel(self, job: str) -> Progress:
        """Cancel the job, whether or not a process runs it."""
        job_id = self._catalog.find(job)
        attached = self._runner.attach(job_id)
        return attached.cancel() if attached else self._catalog.cancel(job_id, self._by)

    def attach(self, job: str) -> JobHandle | None:
        """The handle of the running job; None when no process runs it."""
        return self._runner.attach(self._catalog.find(job))

    def runs(self, job_id: str) -> bool:
        """Whether this process runs the job."""
        return self._runner.runs(job_id)

    def progress(self, job: str, at: datetime | None = None) -> Progress:
        """The job as it is, or as it was at a time; whether anybody ran it then is not known."""
        job_id = self._catalog.find(job)
        if at is not None:
            return self._catalog.progress(job_id, at)
        attached = self._runner.attach(job_id)
        return attached.progress() if attached else self._runner.with_attendance(self._catalog.progress(job_id))

    def job_ids(self) -> list[str]:
        """The ids of all jobs in the store, oldest first."""
        return self._catalog.ids()

    def jobs(self) -> list[Progress]:
        """Every job in the store, oldest first, as it is stored, and whether anybody has it in hand."""
        return [self._runner.with_attendance(progress) for progress in self._catalog.all()]

    def request_of(self, job: str) -> CollectionRequest:
        """What the job collects."""
        return self._catalog.request(self._catalog.find(job))

    def history(self, job: str, until: datetime | None = None) -> list[HistoryEntry]:
        """What happened to the job, oldest first."""
        return self._catalog.history(self._catalog.find(job), until)

    def close(self) -> None:
        """Release the jobs, the store and Ray; an embedded cluster ends with its driver."""
        self._runner.close()
        self._catalog.close()
