"""JobJournal: jobs and their plans as stored events."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import count, takewhile
from pathlib import Path
from typing import Any, cast

from eventsourcing.application import AggregateNotFoundError, project_aggregate
from eventsourcing.domain import CanMutateAggregate
from eventsourcing.persistence import IntegrityError
from eventsourcing.utils import get_topic

from adapters.job_store.sqlite import EventDatabase
from domain.errors import EventStoreUnavailable, JobNotFound, SettingsError, StaleEpoch
from domain.jobs.history import HistoryEntry
from domain.jobs.job import CollectionJob
from domain.jobs.plan import CollectionPlan, job_id_of, job_uuid, plan_uuid
from domain.jobs.request import CollectionRequest
from domain.jobs.status import JobStatus

_LOG_PAGE = 500
_NOT_DETAILS = ("originator_id", "originator_version", "originator_topic", "timestamp", "reason", "by", "command_id")


class JobJournal:
    """The store of jobs. Blocking, for one thread at a time; opens its file when first used.

    Only `submit` and `save` create a file: one that is not there reads as a store without jobs.

    Every method raises EventStoreUnavailable when the store cannot be read or written: it waits at most
    a second for another writer. Two journals, in two processes, may share a file.
    """

    def __init__(self, database: EventDatabase) -> None:
        self._database = database

    def __repr__(self) -> str:
        return f"JobJournal({self._database})"

    @classmethod
    def sqlite(cls, path: Path | str) -> JobJournal:
        """Events in an SQLite file, in WAL mode with full sync."""
        return cls(EventDatabase(Path(path).absolute()))

    @classmethod
    def in_memory(cls) -> JobJournal:
        """Events that end with this object."""
        return cls(EventDatabase(None))

    def submit(self, request: CollectionRequest, timestamp: datetime, force_new: bool = False) -> str:
        """Store a new PENDING job and its plan, both or neither; the id of a job that exists is only returned.

        A cancelled job stays as it is: its successor gets an id of its own. With `force_new` this holds for every job
        that has ended.
        """
        done = set(JobStatus) if force_new else {JobStatus.CANCELLED}
        run = next(run for run in count(1) if not self._has_ended(job_id_of(request, run), done))
        plan = CollectionPlan.from_request(request, run, timestamp=timestamp)
        job = CollectionJob.submit(request, run, timestamp=timestamp)
        # A conflict can only mean that the job exists already.
        with self._database.use(create=True) as events, suppress(IntegrityError):
            events.save(plan, job)
        return str(job.job_id)

    def job(self, job_id: str) -> CollectionJob:
        """A fresh copy of the job as it is stored. Raises JobNotFound."""
        with self._database.use() as events:
            try:
                job: CollectionJob = events.repository.get(job_uuid(job_id))
            except AggregateNotFoundError:
                raise JobNotFound(job_id) from None
            return job

    def plan(self, job_id: str) -> CollectionPlan:
        """What the job collects. Raises JobNotFound."""
        with self._database.use() as events:
            try:
                plan: CollectionPlan = events.repository.get(plan_uuid(job_id))
            except AggregateNotFoundError:
                raise JobNotFound(job_id) from None
            return plan

    def save(self, job: CollectionJob) -> None:
        """Store what the job's commands did; durable when it returns.

        After any exception drop the object and reload: its changes may be stored, or not. When another process changed
        the job meanwhile nothing is stored: StaleEpoch if that began a later epoch, else EventStoreUnavailable.
        """
        with self._database.use(create=True) as events:
            try:
                # The events stay pending until they are stored: an object that is still used then meets the same
                # conflict again, and cannot leave a gap in the job's events.
                events.save(*job.pending_events)
            except IntegrityError:
                self._raise_conflict(job)
            job.collect_events()

    def latest(self, request_key: str) -> str | None:
        """The id of the newest job with that request key; None if there is none."""
        ids = [created.job_id for created in self._created() if created.request_key == request_key]
        return ids[-1] if ids else None

    def job_ids(self) -> list[str]:
        """The ids of all jobs in the order they were submitted."""
        return [created.job_id for created in self._created()]

    def find(self, prefix: str) -> str:
        """The id of the one job that begins with `prefix`.

        Raises JobNotFound, or SettingsError that names the candidates, or the folder without a store.
        """
        candidates = [job_id for job_id in self.job_ids() if job_id.startswith(prefix)]
        if prefix in candidates or len(candidates) == 1:
            return prefix if prefix in candidates else candidates[0]
        if folder := self._database.missing_folder:
            raise SettingsError(f"there is no store in {folder}: `candles collect` creates it")
        if not candidates:
            raise JobNotFound(prefix)
        raise SettingsError(f"{prefix!r} may be any of {', '.join(candidates)}: write more of the id")

    def history(self, job_id: str, until: datetime | None = None) -> list[HistoryEntry]:
        """What happened to the job, oldest first, up to and including `until`. Raises JobNotFound."""
        return [_entry(happened) for happened in self._events_of(job_id, until)]

    def as_at(self, job_id: str, moment: datetime) -> CollectionJob:
        """The job as it was at that time, to read, not to save. Raises JobNotFound if it did not exist yet."""
        events = self._events_of(job_id, moment)
        with self._database.use():
            job = project_aggregate(None, events)
        assert isinstance(job, CollectionJob)
        return job

    def close(self) -> None:
        """Close the file; using the journal again opens it again."""
        self._database.close()

    def _has_ended(self, job_id: str, done: Collection[JobStatus]) -> bool:
        try:
            status = self.job(job_id).status
            return status.is_final and status in done
        except JobNotFound:
            return False

    def _raise_conflict(self, job: CollectionJob) -> None:
        stored = self.job(job.job_id)
        if stored.epoch > job.epoch:
            raise StaleEpoch(job.job_id, job.epoch, stored.epoch) from None
        reason = f"another process changed job {job.job_id} meanwhile: reload it"
        raise EventStoreUnavailable(str(self._database), reason) from None

    def _events_of(self, job_id: str, until: datetime | None) -> list[CanMutateAggregate[Any]]:
        with self._database.use() as store:
            events = cast(Iterable[CanMutateAggregate[Any]], store.events.get(job_uuid(job_id)))
            known = list(takewhile(lambda happened: until is None or happened.timestamp <= until, events))
        if not known:
            raise JobNotFound(job_id)
        return known

    def _created(self) -> Iterator[Any]:
        topics = [get_topic(CollectionJob.Created)]
        start = 1
        with self._database.use() as store:
            while page := store.recorder.select_notifications(start, _LOG_PAGE, topics=topics):
                yield from map(store.mapper.to_domain_event, page)
                start = page[-1].id + 1


def _entry(happened: CanMutateAggregate[Any]) -> HistoryEntry:
    state = vars(happened)
    details = {name: value for name, value in state.items() if name not in _NOT_DETAILS and value not in ("", [], {})}
    if "failed" in details:
        details["failed"] = {symbol: f"{kind}: {message}" for symbol, kind, message, _ in details["failed"]}
    return HistoryEntry(
        version=happened.originator_version,
        timestamp=happened.timestamp,
        event=type(happened).__name__,
        reason=state.get("reason", ""),
        details=details,
        by=state.get("by", ""),
    )
