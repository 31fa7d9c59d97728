"""JobStatus: the states of a job, and the table of its transitions."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

TOO_MANY_FAILURES = "too_many_failures"
"""The reason of a job that was paused, or failed, for more failed symbols than it allows."""


class JobStatus(StrEnum):
    """The state of a job."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        """Whether the job has ended; only `retry` starts it again."""
        return self in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)


ORPHANED = frozenset({JobStatus.PENDING, JobStatus.RUNNING})
"""How a job looks whose runner died: `resume` takes it up like a paused one."""

TRANSITIONS: Mapping[str, Mapping[JobStatus, JobStatus]] = MappingProxyType(
    {
        "start": {JobStatus.PENDING: JobStatus.RUNNING},
        "resume": {JobStatus.PAUSED: JobStatus.RUNNING},
        "take_over": {JobStatus.RUNNING: JobStatus.RUNNING},
        "record_batch": {JobStatus.RUNNING: JobStatus.RUNNING, JobStatus.PAUSED: JobStatus.PAUSED},
        "note_cooldown": {JobStatus.RUNNING: JobStatus.RUNNING, JobStatus.PAUSED: JobStatus.PAUSED},
        "pause": {JobStatus.RUNNING: JobStatus.PAUSED},
        "complete": {JobStatus.RUNNING: JobStatus.COMPLETED},
        "fail": {JobStatus.RUNNING: JobStatus.FAILED},
        "cancel": dict.fromkeys((JobStatus.PENDING, JobStatus.RUNNING, JobStatus.PAUSED), JobStatus.CANCELLED),
        "retry": {JobStatus.COMPLETED: JobStatus.RUNNING, JobStatus.FAILED: JobStatus.RUNNING},
    }
)
"""Command -> status before -> status after; anything else raises IllegalTransition."""
