"""CollectionJob: a job's life as events, and the table that says which command is allowed when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from datetime import datetime
from typing import Any
from uuid import UUID

from eventsourcing.domain import Aggregate, event

from domain.candles.findings import added
from domain.errors import IllegalTransition
from domain.jobs.batch_ledger import BatchLedger, BatchProgress, Work
from domain.jobs.batches import BatchReport, SymbolFailure
from domain.jobs.plan import CollectionPlan, job_id_of, job_uuid, request_key_of, require_zone
from domain.jobs.request import CollectionRequest, OnTooManyFailures
from domain.jobs.running_time import RunningTime
from domain.jobs.status import TOO_MANY_FAILURES, TRANSITIONS, JobStatus
from domain.jobs.timings import Timings


class CollectionJob(Aggregate):
    """A job from submission to its end.

    Commands check and decide; the methods under `@event` only assign, for they run again on every reload. Timestamps
    are passed in, with a time zone. `reason` is that of the last change of status; `by` says who gave a command, "" for
    nobody. A command repeated under its `command_id` does nothing: the first may have been stored unnoticed.
    """

    TOPIC = "CollectionJob"

    @event("Created", topic="CollectionJob.Created")
    def __init__(
        self,
        job_id: str,
        request_key: str,
        symbols_total: int,
        batch_size: int,
        allowed_failures: int,
        on_too_many_failures: str,
        timestamp: datetime,
    ) -> None:
        self.job_id = job_id
        self.request_key = request_key
        self.symbols_total = symbols_total
        self.batch_size = batch_size
        self.allowed_failures = allowed_failures
        self.on_too_many_failures = OnTooManyFailures(on_too_many_failures)
        self.status, self.reason, self.epoch = JobStatus.PENDING, "", 0
        self.started_at: datetime | None = None
        self.completed_at: datetime | None = None
        self.candles_saved = self.candles_quarantined = self.pages = self.requests = 0
        self.findings: dict[str, int] = {}
        self.timings: list[Timings] = []
        self._batches = BatchLedger(symbols_total, batch_size)
        self._running_time = RunningTime()
        self._commands_done: set[tuple[str, str]] = set()

    @staticmethod
    def create_id(job_id: str) -> UUID:
        """The aggregate's identity, which follows from the job's."""
        return job_uuid(job_id)

    @classmethod
    def submit(cls, request: CollectionRequest, run: int = 1, *, timestamp: datetime) -> CollectionJob:
        """A new job, PENDING; `run` is above 1 when it follows cancelled ones."""
        require_zone(timestamp)
        return cls(
            job_id=job_id_of(request, run),
            request_key=request_key_of(request),
            symbols_total=len(request.symbols),
            batch_size=request.batch_size,
            allowed_failures=request.allowed_failures,
            on_too_many_failures=request.on_too_many_failures.value,
            timestamp=timestamp,
        )

    @property
    def all_batches_finished(self) -> bool:
        return self._batches.all_finished

    @property
    def symbols_completed(self) -> int:
        """Symbols proven complete, including those of unfinished batches."""
        return self._batches.symbols_completed

    @property
    def work(self) -> Work:
        """The job's work, retries included."""
        return self._batches.work

    def progress_of(self, batch: int) -> BatchProgress:
        """What is done of a batch."""
        return self._batches.progress_of(batch)

    @property
    def failed_symbols(self) -> dict[str, SymbolFailure]:
        """Symbols that were given up and not collected since; a copy."""
        return dict(self._batches.failures)

    @property
    def symbols_failed(self) -> int:
        return len(self._batches.failures)

    @property
    def too_many_failures(self) -> bool:
        """Whether more symbols failed than allowed since the job was started, resumed or retried."""
        return self._batches.failures_since_allowance > self.allowed_failures

    def running_seconds(self, moment: datetime) -> float:
        """How long the job has been RUNNING up to `moment`, without pauses."""
        return self._running_time.seconds(moment)

    def remaining_batches(self, plan: CollectionPlan) -> list[tuple[int, tuple[str, ...]]]:
        """The unfinished batches in order, with the symbols still to be collected in each: at least one."""
        return self._batches.remaining(plan.symbols)

    def start(self, reason: str = "", *, timestamp: datetime, by: str = "") -> None:
        """PENDING -> RUNNING, in the first epoch."""
        self._check("start", timestamp)
        self._started(epoch=self.epoch + 1, reason=reason, by=by, timestamp=timestamp)

    def resume(self, reason: str = "", *, timestamp: datetime, command_id: str = "", by: str = "") -> None:
        """PAUSED -> RUNNING, in a new epoch and with a fresh allowance of failures."""
        if not self._is_done("resume", command_id):
            self._check("resume", timestamp)
            self._resumed(epoch=self.epoch + 1, reason=reason, command_id=command_id, by=by, timestamp=timestamp)

    def take_over(self, reason: str = "", *, timestamp: datetime, by: str = "") -> None:
        """Stay RUNNING in a new epoch, under a new coordinator: the last one is gone."""
        self._check("take_over", timestamp)
        self._taken_over(epoch=self.epoch + 1, reason=reason, by=by, timestamp=timestamp)

    def record_batch(self, report: BatchReport, *, timestamp: datetime) -> bool:
        """Record the report of a claim, once; False, and nothing changed, when it is recorded already.

        One unfinished and one finished report count for each batch and epoch. `BatchClaims` knows which claim is valid.
        Raises ValueError for a batch that does not exist.
        """
        self._check("record_batch", timestamp)
        if self._batches.is_recorded(report):
            return False
        self._batch_recorded(
            batch=report.batch,
            epoch=self.epoch,
            finished=self._batches.would_finish(report),
            completed=len(report.completed),
            failed=[list(astuple(failure)) for failure in report.failed],
            candles_saved=report.candles_saved,
            candles_quarantined=report.candles_quarantined,
            pages=report.pages,
            requests=report.requests,
            findings=dict(report.findings),
            pace=list(astuple(report.timings)),
            in_part=report.in_part,
            timestamp=timestamp,
        )
        return True

    def note_cooldown(self, seconds: float, reason: str, *, timestamp: datetime, command_id: str) -> None:
        """Record that the broker refuses the whole account for so long; no symbol is to blame, and the job goes on."""
        if not self._is_done("note_cooldown", command_id):
            self._check("note_cooldown", timestamp)
            self._account_sealed(seconds=seconds, reason=reason, command_id=command_id, timestamp=timestamp)

    def pause(self, reason: str = "", *, timestamp: datetime, command_id: str = "", by: str = "") -> None:
        """RUNNING -> PAUSED."""
        if not self._is_done("pause", command_id):
            self._check("pause", timestamp)
            self._paused(reason=reason, command_id=command_id, by=by, timestamp=timestamp)

    def complete(self, reason: str = "", *, timestamp: datetime) -> None:
        """RUNNING -> COMPLETED; refused while a batch is unfinished."""
        self._check("complete", timestamp)
        if not self.all_batches_finished:
            raise IllegalTransition(self.job_id, self.status, "complete, for some batches are unfinished")
        self._completed(reason=reason, timestamp=timestamp)

    def fail(self, reason: str = "", *, timestamp: datetime) -> None:
        """RUNNING -> FAILED."""
        self._check("fail", timestamp)
        self._failed(reason=reason, timestamp=timestamp)

    def cancel(self, reason: str = "", *, timestamp: datetime, command_id: str = "", by: str = "") -> None:
        """PENDING, RUNNING or PAUSED -> CANCELLED."""
        if not self._is_done("cancel", command_id):
            self._check("cancel", timestamp)
            self._cancelled(reason=reason, command_id=command_id, by=by, timestamp=timestamp)

    def conclude(self, *, timestamp: datetime) -> None:
        """End a job whose batches are all finished: FAILED if more symbols failed than allowed, else COMPLETED."""
        if self.all_batches_finished and self.symbols_failed > self.allowed_failures:
            self.fail(TOO_MANY_FAILURES, timestamp=timestamp)
        else:
            self.complete(timestamp=timestamp)

    def retry(self, reason: str = "", *, timestamp: datetime, command_id: str = "", by: str = "") -> None:
        """COMPLETED or FAILED -> RUNNING: the failed symbols again, in new batches, and the unfinished batches."""
        if self._is_done("retry", command_id):
            return
        self._check("retry", timestamp)
        symbols = self._batches.to_retry()
        if not symbols and self.all_batches_finished:
            raise IllegalTransition(self.job_id, self.status, "retry, for no symbol has failed")
        self._retried(
            epoch=self.epoch + 1, symbols=symbols, reason=reason, command_id=command_id, by=by, timestamp=timestamp
        )

    @event("Started", topic="CollectionJob.Started")
    def _started(self, epoch: int, reason: str, timestamp: datetime, by: str = "") -> None:
        self.started_at = timestamp
        self._run(epoch, reason, timestamp)

    @event("Resumed", topic="CollectionJob.Resumed")
    def _resumed(self, epoch: int, reason: str, command_id: str, timestamp: datetime, by: str = "") -> None:
        self._batches.failures_since_allowance = 0
        self._commands_done.add(("resume", command_id))
        self._run(epoch, reason, timestamp)

    @event("TakenOver", topic="CollectionJob.TakenOver")
    def _taken_over(self, epoch: int, reason: str, timestamp: datetime, by: str = "") -> None:
        # The time at which the last coordinator ended is not known: it ran at least until its last event.
        self._running_time.end(self.modified_on)
        self._run(epoch, reason, timestamp)

    @event("BatchRecorded", topic="CollectionJob.BatchRecorded")
    def _batch_recorded(
        self,
        batch: int,
        epoch: int,
        finished: bool,
        completed: int,
        failed: list[list[Any]],
        candles_saved: int,
        candles_quarantined: int,
        pages: int,
        requests: int,
        timestamp: datetime,
        findings: Mapping[str, int] | None = None,  # the oldest stored batches have none
        pace: Sequence[Any] = (),  # the oldest stored batches have no timings
        in_part: float = 0.0,  # nor the collected parts of incomplete symbols
    ) -> None:
        self.candles_saved += candles_saved
        self.candles_quarantined += candles_quarantined
        self.pages += pages
        self.requests += requests
        self.findings = added(self.findings, findings or {})
        self.timings.append(Timings(*pace))
        self._batches.record(batch, finished, completed, in_part, [SymbolFailure(*failure) for failure in failed])

    @event("AccountSealed", topic="CollectionJob.AccountSealed")
    def _account_sealed(self, seconds: float, reason: str, command_id: str, timestamp: datetime) -> None:
        self._commands_done.add(("note_cooldown", command_id))

    @event("Paused", topic="CollectionJob.Paused")
    def _paused(self, reason: str, command_id: str, timestamp: datetime, by: str = "") -> None:
        self._commands_done.add(("pause", command_id))
        self._stop(JobStatus.PAUSED, reason, timestamp)

    @event("Completed", topic="CollectionJob.Completed")
    def _completed(self, reason: str, timestamp: datetime) -> None:
        self._stop(JobStatus.COMPLETED, reason, timestamp)

    @event("Failed", topic="CollectionJob.Failed")
    def _failed(self, reason: str, timestamp: datetime) -> None:
        self._stop(JobStatus.FAILED, reason, timestamp)

    @event("Cancelled", topic="CollectionJob.Cancelled")
    def _cancelled(self, reason: str, command_id: str, timestamp: datetime, by: str = "") -> None:
        self._commands_done.add(("cancel", command_id))
        self._stop(JobStatus.CANCELLED, reason, timestamp)

    @event("Retried", topic="CollectionJob.Retried")
    def _retried(
        self, epoch: int, symbols: list[str], reason: str, command_id: str, timestamp: datetime, by: str = ""
    ) -> None:
        self._batches.failures_since_allowance = 0
        self._commands_done.add(("retry", command_id))
        self._batches.add_round(symbols)
        self._run(epoch, reason, timestamp)

    def _run(self, epoch: int, reason: str, timestamp: datetime) -> None:
        self.status, self.reason, self.epoch, self.completed_at = JobStatus.RUNNING, reason, epoch, None
        self._running_time.begin(timestamp)
        self._batches.begin_epoch()

    def _stop(self, status: JobStatus, reason: str, timestamp: datetime) -> None:
        self._running_time.end(timestamp)
        self.status, self.reason = status, reason
        self.completed_at = timestamp if status.is_final else None

    def _check(self, command: str, timestamp: datetime) -> None:
        require_zone(timestamp)
        if self.status not in TRANSITIONS[command]:
            raise IllegalTransition(self.job_id, self.status, command.replace("_", " "))

    def _is_done(self, command: str, command_id: str) -> bool:
        return bool(command_id) and (command, command_id) in self._commands_done
