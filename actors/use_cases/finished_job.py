"""FinishedJob: a job that has ended, with the interface of a running one."""

from __future__ import annotations

from collections.abc import Iterator

from domain.jobs.progress import Progress


class FinishedJob:
    """A job that has ended, with the methods of a running job's handle."""

    def __init__(self, progress: Progress) -> None:
        self.job_id = progress.job_id
        self._progress = progress

    def __repr__(self) -> str:
        return f"FinishedJob({self.job_id})"

    def progress(self) -> Progress:
        """The job as it ended."""
        return self._progress

    def watch(self, timeout_seconds: float = 1.0) -> Iterator[Progress]:
        """The job as it ended, once."""
        yield self._progress

    def shutdown(self) -> Progress:
        """The job as it ended: there is nothing to stop."""
        return self._progress

    def wait(self) -> Progress:
        """The job as it ended, at once."""
        return self._progress
