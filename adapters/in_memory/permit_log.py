"""InMemoryPermitLog: the permits of an account as plain entries that outlive the limiters using it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from domain.limits.audit import AuditHistory, Ending, LimitsInForce
from domain.limits.ledger import GrantedPermit
from domain.limits.messages import Outcome
from domain.limits.ports import RecordedPermits
from domain.limits.rates import RateLimit


@dataclass(slots=True)
class LoggedPermits:
    """The part of the log that outlives a process: every permit with its job, and its outcome."""

    permits: dict[str, tuple[str, GrantedPermit, Ending]] = field(default_factory=dict)
    eras: list[LimitsInForce] = field(default_factory=list)

    def history(self) -> AuditHistory:
        """The permits as an audit history."""
        rows = sorted(self.permits.values(), key=lambda row: row[1].granted_at)
        jobs = tuple(dict.fromkeys(job for job, _, _ in rows))
        pools = tuple(dict.fromkeys(permit.pool for _, permit, _ in rows))
        return AuditHistory(
            granted_seconds=np.array([permit.granted_at for _, permit, _ in rows], np.float64),
            completed_seconds=np.array([permit.completed_at for _, permit, _ in rows], np.float64),
            tokens=np.array([permit.tokens for _, permit, _ in rows], np.int64),
            job=np.array([jobs.index(job) for job, _, _ in rows], np.int64),
            pool=np.array([pools.index(permit.pool) for _, permit, _ in rows], np.int64),
            ending=np.array([ending for _, _, ending in rows], np.uint8),
            jobs=jobs,
            pools=pools,
            limits=tuple(self.eras),
        )


class InMemoryPermitLog:
    """A permit log that forgets nothing while its `memory` lives; implements `domain.limits.ports.PermitLog`."""

    def __init__(self, memory: LoggedPermits | None = None) -> None:
        self.memory = memory or LoggedPermits()

    def open(self, known: RecordedPermits, now: float) -> None:
        """Drop permits that the record would have to know and does not."""
        recorded = {permit.permit_id for permit in known.permits}
        for name, (_, permit, ending) in list(self.memory.permits.items()):
            if ending is Ending.BOUND and name not in recorded and permit.completed_at > known.complete_since:
                del self.memory.permits[name]

    def note_limits(self, limits: Sequence[RateLimit], now: float) -> None:
        """Remember the limits, if they have changed."""
        if not self.memory.eras or self.memory.eras[-1].limits != tuple(limits):
            self.memory.eras.append(LimitsInForce(now, tuple(limits)))

    def granted(self, job_id: str, permits: Sequence[GrantedPermit]) -> None:
        """Remember the permits."""
        for permit in permits:
            self.memory.permits[permit.permit_id] = (job_id, permit, Ending.BOUND)

    def completed(self, permit: GrantedPermit, outcome: Outcome, now: float) -> None:
        """Remember that a known permit is complete."""
        if permit.permit_id not in self.memory.permits:
            return
        job_id, _, _ = self.memory.permits[permit.permit_id]
        ending = Ending.ANSWERED if outcome is Outcome.ANSWERED else Ending.ABANDONED
        self.memory.permits[permit.permit_id] = (job_id, permit, ending)

    def release(self, permit_id: str, now: float) -> None:
        """Forget the permit."""
        self.memory.permits.pop(permit_id, None)

    def close(self) -> None:
        """Do nothing: nothing is open."""
