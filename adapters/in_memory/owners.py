"""InMemoryJobOwners: which of several pretended processes runs which job."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from domain.jobs.ports import JobOwner

PROCESS_ID = 1


class InMemoryOwnership:
    """The ownership of one job; implements `domain.jobs.ports.JobOwnership`."""

    def __init__(self, owners: dict[str, JobOwner | None], job_id: str) -> None:
        self._owners, self._job_id = owners, job_id

    def announce(self, address: str) -> None:
        """Say where the job runs."""
        self._owners[self._job_id] = JobOwner(address, PROCESS_ID)

    def release(self) -> None:
        """Let another run the job; idempotent."""
        self._owners.pop(self._job_id, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class InMemoryJobOwners:
    """Owners in plain state; implements `domain.jobs.ports.JobOwners`."""

    def __init__(self) -> None:
        self._owners: dict[str, JobOwner | None] = {}

    def claim(self, job_id: str) -> InMemoryOwnership | None:
        """Own the job; None when it has an owner."""
        if job_id in self._owners:
            return None
        self._owners[job_id] = None
        return InMemoryOwnership(self._owners, job_id)

    def find(self, job_id: str) -> JobOwner | None:
        """The job's owner; None when nobody owns it, or the owner has not said where yet."""
        return self._owners.get(job_id)
