"""A small job, and the ways a test brings it about."""

from __future__ import annotations

from datetime import UTC, datetime

from domain.candles.dataset import Interval
from domain.jobs.batches import BatchReport, SymbolFailure
from domain.jobs.job import CollectionJob
from domain.jobs.plan import CollectionPlan
from domain.jobs.request import CollectionRequest, FailureAllowance
from domain.jobs.status import JobStatus
from domain.spans.time_span import TimeSpan

NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)
REQUEST = CollectionRequest(
    broker="binance",
    account="default",
    symbols=("AAA", "BBB", "CCC", "DDD", "EEE"),
    interval=Interval("1m"),
    span=TimeSpan(0, 86_400_000),
    batch_size=2,
    max_failures=FailureAllowance(count=1),
)
PLAN = CollectionPlan.from_request(REQUEST, timestamp=NOW)


def failure(symbol: str) -> SymbolFailure:
    return SymbolFailure(symbol, "SymbolRejected", "unknown symbol", 1)


def report(
    job: CollectionJob, batch: int, *, failed: str = "", completed: str = "", finished: bool = True, in_part: float = 0
) -> BatchReport:
    return BatchReport(
        batch=batch,
        epoch=job.epoch,
        finished=finished,
        completed=tuple(completed.split()),
        failed=tuple(failure(symbol) for symbol in failed.split()),
        candles_saved=10,
        candles_quarantined=1,
        pages=3,
        requests=4,
        in_part=in_part,
    )


def record(
    job: CollectionJob, batch: int, failed: str = "", completed: str = "", finished: bool = True, in_part: float = 0
) -> bool:
    outcome = report(job, batch, failed=failed, completed=completed, finished=finished, in_part=in_part)
    return job.record_batch(outcome, timestamp=NOW)


def pending() -> CollectionJob:
    return CollectionJob.submit(REQUEST, timestamp=NOW)


def running() -> CollectionJob:
    job = pending()
    job.start("collect", timestamp=NOW)
    return job


def with_all_batches_finished(failed_in_first: str = "") -> CollectionJob:
    job = running()
    record(job, 0, failed=failed_in_first)
    record(job, 1)
    record(job, 2)
    return job


def job_in(status: JobStatus) -> CollectionJob:
    """A job in that status, with a failed symbol and no batch left where the status allows it."""
    if status is JobStatus.PENDING:
        return pending()
    job = with_all_batches_finished("AAA")
    match status:
        case JobStatus.PAUSED:
            job.pause(timestamp=NOW)
        case JobStatus.COMPLETED:
            job.complete(timestamp=NOW)
        case JobStatus.FAILED:
            job.fail(timestamp=NOW)
        case JobStatus.CANCELLED:
            job.cancel(timestamp=NOW)
    return job
