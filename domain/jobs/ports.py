"""The ports of a job: its store, its progress, and the job as its workers see it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from domain.jobs.batches import BatchReport, BatchWork
from domain.jobs.history import HistoryEntry
from domain.jobs.job import CollectionJob
from domain.jobs.plan import CollectionPlan
from domain.jobs.progress import Progress
from domain.jobs.request import CollectionRequest


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """A worker's progress since its last event: watchers add the events up."""

    worker: str
    batch: int
    epoch: int
    kind: Literal["page", "symbol", "batch"]
    pages: int = 0
    candles: int = 0
    quarantined: int = 0
    requests: int = 0
    symbols_done: int = 0
    symbols_failed: int = 0
    work: float = 0.0
    """Work done of the batch, in symbols: half the pages of one are 0.5, a complete or failed one is 1."""
    findings: Mapping[str, int] = field(default_factory=dict)
    """Bars by what was noticed of them: see `domain.candles.findings`."""


class EventEmitter(Protocol):
    """Where a worker reports its live progress; never blocks and never fails the work."""

    def emit(self, event: ProgressEvent) -> None: ...


class JobRepository(Protocol):
    """A job as its workers see it: the coordinator in a cluster, memory in a unit test."""

    async def start(self, job_id: str, worker: str) -> CollectionRequest:
        """Join the job: what to collect, and how. Raises JobNotFound."""

    async def claim_batch(self, job_id: str, worker: str) -> BatchWork | None:
        """Claim the next waiting batch, with the epoch to report it under; None when none is left.

        Waits while every remaining batch is claimed by another worker: one may come back.
        """

    async def report_batch(self, job_id: str, worker: str, report: BatchReport) -> Progress:
        """Record the report of a claimed batch, exactly once.

        Raises StaleEpoch when the claim is over and another worker may have the batch: drop the report and claim again.
        """

    async def finish(self, job_id: str, worker: str) -> None:
        """Leave the job: this worker reports nothing more."""


class JobStore(Protocol):
    """Where jobs live as events. Blocking: call it in a thread, always the same one.

    Every method raises EventStoreUnavailable when the store cannot be read or written.
    """

    def submit(self, request: CollectionRequest, timestamp: datetime, force_new: bool = False) -> str:
        """Store a new PENDING job and its plan, both or neither; the id of a job that exists is only returned.

        A cancelled job stays as it is: its successor gets an id of its own. With `force_new` this holds for every job
        that has ended.
        """

    def job(self, job_id: str) -> CollectionJob:
        """A fresh copy of the job as it is stored. Raises JobNotFound."""

    def plan(self, job_id: str) -> CollectionPlan:
        """What the job collects. Raises JobNotFound."""

    def save(self, job: CollectionJob) -> None:
        """Store what the job's commands did; durable when it returns.

        After any exception drop the object and reload: its changes may be stored, or not. When another process changed
        the job meanwhile nothing is stored: StaleEpoch if that began a later epoch, else EventStoreUnavailable.
        """

    def latest(self, request_key: str) -> str | None:
        """The id of the newest job with that request key; None if there is none."""

    def job_ids(self) -> list[str]:
        """The ids of all jobs in the order they were submitted."""

    def find(self, prefix: str) -> str:
        """The id of the one job that begins with `prefix`.

        Raises JobNotFound, or SettingsError that names the candidates, or the folder without a store.
        """

    def history(self, job_id: str, until: datetime | None = None) -> list[HistoryEntry]:
        """What happened to the job, oldest first, up to and including `until`. Raises JobNotFound."""

    def as_at(self, job_id: str, moment: datetime) -> CollectionJob:
        """The job as it was at that time, to read, not to save. Raises JobNotFound if it did not exist yet."""

    def close(self) -> None:
        """Close the store; using it again opens it again."""


@dataclass(frozen=True, slots=True)
class JobOwner:
    """The process that runs a job, and the address of the Ray cluster where it does."""

    address: str
    process_id: int


class JobOwnership(AbstractContextManager["JobOwnership"], Protocol):
    """This process's exclusive right to run a job. It ends with the process at the latest."""

    def announce(self, address: str) -> None:
        """Tell other processes where the job runs. Raises StorageUnavailable."""

    def release(self) -> None:
        """Let another process run the job."""


class JobOwners(Protocol):
    """Which process runs which job of a store. Every method raises StorageUnavailable."""

    def claim(self, job_id: str) -> JobOwnership | None:
        """Own the job; None when another process does."""

    def find(self, job_id: str) -> JobOwner | None:
        """The job's owner; None without one, or while the owner has not announced its address. Prevents no claim."""

    def is_owned(self, job_id: str) -> bool:
        """Whether the job has an owner, even one that has not announced its address yet. Prevents no claim."""
