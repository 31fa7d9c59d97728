"""InMemoryJobOwners and InMemoryAccountOwners: which of several simulated processes owns which job or account."""

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
        """The job's owner; None without one, or while the owner has not announced its address."""
        return self._owners.get(job_id)

    def is_owned(self, job_id: str) -> bool:
        """Whether the job has an owner."""
        return job_id in self._owners


class InMemoryAccountOwnership:
    """The ownership of one account; implements `domain.limits.ports.AccountOwnership`."""

    def __init__(self, owned: dict[tuple[str, str], InMemoryAccountOwnership], key: tuple[str, str], name: str) -> None:
        self._owned, self._key, self.holder = owned, key, name

    def release(self) -> None:
        """Release the account; idempotent, and without effect for an owner that was killed."""
        if self._owned.get(self._key) is self:
            del self._owned[self._key]


class InMemoryAccountOwners:
    """Owners of accounts in plain state; implements `domain.limits.ports.AccountOwners`."""

    def __init__(self) -> None:
        self._owned: dict[tuple[str, str], InMemoryAccountOwnership] = {}

    def claim(self, broker: str, account: str, holder: str) -> InMemoryAccountOwnership | None:
        """Own the account; None when it has an owner."""
        key = (broker, account)
        if key in self._owned:
            return None
        self._owned[key] = InMemoryAccountOwnership(self._owned, key, holder)
        return self._owned[key]

    def find(self, broker: str, account: str) -> str | None:
        """The name of the account's owner; None without one."""
        ownership = self._owned.get((broker, account))
        return ownership.holder if ownership else None

    def kill_holders(self) -> None:
        """Simulate the death of every owner: the accounts are free without a release."""
        self._owned.clear()
