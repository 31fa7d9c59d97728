"""JobRunner: how one process comes by running jobs, its own or those of another process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from actors.jobs.runners import RunnerClaim, Runners
from actors.ray_session import RaySession
from domain.errors import LimiterUnavailable
from domain.progress import Progress

if TYPE_CHECKING:
    from actors.handles import JobHandle


class JobRunner:
    """Runs a job here unless another process does; Ray is started, or joined, when first needed.

    `new_coordinator` makes a job's coordinator actor, `find_coordinator` finds a running one (None
    where there is none), and `stored` tells how a job is stored.
    """

    def __init__(
        self,
        runners: Runners,
        address: str,
        new_coordinator: Callable[[str], Any],
        find_coordinator: Callable[[str], Any],
        stored: Callable[[str], Progress],
    ) -> None:
        self._runners = runners
        self._own_address = address
        self._new_coordinator = new_coordinator
        self._find_coordinator = find_coordinator
        self._stored = stored
        self._claims: dict[str, RunnerClaim] = {}
        self._coordinators: dict[str, Any] = {}
        self._session = RaySession()

    def attach(self, job_id: str) -> JobHandle | None:
        """The job in the hands of whoever runs it; None when nobody does."""
        self._let_go_if_ended(job_id)
        if job_id not in self._coordinators:
            runner = self._runners.find(job_id)
            if runner is None:
                return None
            self._session.connect(runner.address)
            coordinator = self._find_coordinator(job_id)
            if coordinator is None:
                return None
            self._coordinators[job_id] = coordinator
        return self._handle(job_id)

    def take_up(self, job_id: str, retry: bool = False) -> JobHandle:
        """Run the job here, or join the process that does."""
        self._let_go_if_ended(job_id)
        claim = self._runners.claim(job_id)
        if claim is None:
            attached = self.attach(job_id)
            if attached is None:
                raise LimiterUnavailable(f"job {job_id} is being taken up by another process: try again in a moment")
            return attached
        try:
            claim.announce(self._session.connect(self._own_address))
            self._coordinators[job_id] = self._new_coordinator(job_id)
            self._claims[job_id] = claim
        finally:
            if job_id not in self._claims:
                claim.release()
        handle = self._handle(job_id)
        handle.begin(retry)
        return handle

    def runs(self, job_id: str) -> bool:
        """Whether it is this process that runs the job."""
        return job_id in self._claims

    def close(self) -> None:
        """Let go of every job, and of Ray: an embedded cluster ends with its driver."""
        self._coordinators.clear()
        self._session.close()
        for claim in self._claims.values():
            claim.release()
        self._claims.clear()

    def _let_go_if_ended(self, job_id: str) -> None:
        if job_id not in self._claims or self._handle(job_id).progress().is_attended:
            return
        self._handle(job_id).dismiss()
        del self._coordinators[job_id]
        self._claims.pop(job_id).release()

    def _handle(self, job_id: str) -> JobHandle:
        from actors.handles import JobHandle

        return JobHandle(job_id, self._coordinators[job_id], lambda: self._stored(job_id))
