"""JobRunner: runs jobs in this process, or joins those of another process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from actors.cluster.session import RaySession, find_coordinator
from domain.errors import LimiterUnavailable
from domain.jobs.ports import JobOwners, JobOwnership
from domain.jobs.progress import Progress

if TYPE_CHECKING:
    from actors.cluster.handles import JobHandle


class JobRunner:
    """Runs a job here unless another process does; Ray is started, or joined, when first needed.

    `new_coordinator` makes a job's coordinator actor, `stored` tells how a job is stored, and `by` says who
    gives the commands.
    """

    def __init__(
        self,
        owners: JobOwners,
        address: str,
        new_coordinator: Callable[[str], Any],
        stored: Callable[[str], Progress],
        by: str = "",
    ) -> None:
        self._owners = owners
        self._own_address = address
        self._new_coordinator = new_coordinator
        self._stored = stored
        self._by = by
        self._ownerships: dict[str, JobOwnership] = {}
        self._coordinators: dict[str, Any] = {}
        self._session = RaySession()

    def attach(self, job_id: str) -> JobHandle | None:
        """The handle of the running job; None when no process runs it."""
        self._let_go_if_ended(job_id)
        if job_id not in self._coordinators:
            owner = self._owners.find(job_id)
            if owner is None:
                return None
            self._session.connect(owner.address)
            coordinator = find_coordinator(job_id)
            if coordinator is None:
                return None
            self._coordinators[job_id] = coordinator
        return self._handle(job_id)

    def take_up(self, job_id: str, retry: bool = False) -> JobHandle:
        """Run the job here, or join the process that runs it."""
        self._let_go_if_ended(job_id)
        ownership = self._owners.claim(job_id)
        if ownership is None:
            attached = self.attach(job_id)
            if attached is None:
                raise LimiterUnavailable(f"job {job_id} is being taken up by another process: try again in a moment")
            return attached
        try:
            ownership.announce(self._session.connect(self._own_address))
            self._coordinators[job_id] = self._new_coordinator(job_id)
            self._ownerships[job_id] = ownership
        finally:
            if job_id not in self._ownerships:
                ownership.release()
        handle = self._handle(job_id)
        handle.begin(retry)
        return handle

    def runs(self, job_id: str) -> bool:
        """Whether this process runs the job."""
        return job_id in self._ownerships

    def with_attendance(self, stored: Progress) -> Progress:
        """What is stored of a job, and whether anybody has it in hand: that is looked up without Ray."""
        return replace(stored, is_attended=not stored.status.is_final and self._owners.is_owned(stored.job_id))

    def close(self) -> None:
        """Release every job, and Ray: an embedded cluster ends with its driver."""
        self._coordinators.clear()
        self._session.close()
        for ownership in self._ownerships.values():
            ownership.release()
        self._ownerships.clear()

    def _let_go_if_ended(self, job_id: str) -> None:
        if job_id not in self._ownerships or self._handle(job_id).progress().is_attended:
            return
        self._handle(job_id).dismiss()
        del self._coordinators[job_id]
        self._ownerships.pop(job_id).release()

    def _handle(self, job_id: str) -> JobHandle:
        from actors.cluster.handles import JobHandle

        return JobHandle(job_id, self._coordinators[job_id], lambda: self._abandoned(job_id), self._by)

    def _abandoned(self, job_id: str) -> Progress:
        # Its actor has ended: nobody has the job in hand, though it may be this process's to run.
        return replace(self._stored(job_id), is_attended=False)
