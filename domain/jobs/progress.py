"""Progress: an immutable snapshot of a job, for people and programs that watch it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, Self

from domain.jobs.job import CollectionJob
from domain.jobs.status import ORPHANED, JobStatus

FAILURES_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Progress:
    """A job at one moment.

    `version` grows with every change, so a watcher can wait for a newer snapshot. `of_record` has what is stored; the
    coordinator adds its live counts. The bar counts symbols, and parts of the symbols in flight: only the gateway knows
    how many pages a symbol takes.
    """

    job_id: str
    status: JobStatus
    reason: str
    version: int
    symbols_total: int
    symbols_completed: int
    symbols_failed: int
    pages_total: int | None
    """`pages_done` and the pages still to come; None where nobody runs the job."""
    pages_done: int
    """Pages that were requested and stored, in all runs."""
    candles_saved: int
    candles_quarantined: int
    requests: int
    share: float = 0.0
    """The share of the job's work that is done, 0 to 1; failed symbols count as done, retried ones as new work."""
    started_at: datetime | None = None
    completed_at: datetime | None = None
    running_seconds: float = 0.0
    """In all runs, without pauses."""
    run_requests: int | None = None
    """The requests of this run; None where nobody runs the job."""
    run_seconds: float | None = None
    """How long this run has been running, without pauses; None where nobody runs the job."""
    eta_seconds: float | None = None
    """None where it is unknown, or nothing may be sent."""
    requests_per_second: float = 0.0
    mean_call_seconds: float = 0.0
    limits: tuple[str, ...] = ()
    cooldown_seconds: float = 0.0
    """How long nothing may be sent because the broker refused, with `cooldown_reason` where it is known."""
    cooldown_reason: str = ""
    evidence_wait_seconds: float = 0.0
    """How long nothing may be sent because permits may have been forgotten, see `evidence_wait_reason`."""
    evidence_wait_reason: str = ""
    findings: dict[str, int] = field(default_factory=dict)
    """Bars by what was noticed of them: the reasons of refused ones, and what the calendar did not explain."""
    is_account_paused: bool = False
    """Whether an operator paused the account: `candles limiter resume` lets requests be sent again."""
    failed_symbols: dict[str, str] = field(default_factory=dict)
    """The first failures, symbol -> message; `status --json` lists all."""
    is_attended: bool | None = False
    """Whether a coordinator runs the job: a paused job that is attended can resume where it is. None where that is
    not known."""

    @classmethod
    def of_record(cls, job: CollectionJob, at: datetime) -> Self:
        """The job as it is stored; `at` is the present time."""
        failures = islice(job.failed_symbols.values(), FAILURES_SHOWN)
        return cls(
            job_id=job.job_id,
            status=job.status,
            reason=job.reason,
            version=0,
            symbols_total=job.symbols_total,
            symbols_completed=job.symbols_completed,
            symbols_failed=job.symbols_failed,
            pages_total=job.pages if job.all_batches_finished else None,
            pages_done=job.pages,
            candles_saved=job.candles_saved,
            candles_quarantined=job.candles_quarantined,
            requests=job.requests,
            share=job.work.share,
            started_at=job.started_at,
            completed_at=job.completed_at,
            running_seconds=job.running_seconds(at),
            findings=job.findings,
            failed_symbols={failure.symbol: f"{failure.kind}: {failure.message}" for failure in failures},
            is_attended=False if job.status.is_final else None,
        )

    @property
    def is_orphaned(self) -> bool:
        """Whether the job counts as running, and nobody runs it: whoever did was killed. `resume` takes it up."""
        return self.is_attended is False and self.status in ORPHANED

    @property
    def may_send(self) -> bool:
        """Whether the account may send requests now."""
        return not self.is_account_paused and self.cooldown_seconds <= 0 and self.evidence_wait_seconds <= 0

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON types; times in ISO 8601."""
        plain = asdict(self)
        plain["status"] = str(self.status)
        for name in ("started_at", "completed_at"):
            moment = plain[name]
            plain[name] = moment.isoformat() if moment else None
        return plain
