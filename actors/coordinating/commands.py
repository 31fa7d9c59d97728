"""A coordinator's commands to its job: each looks at the job first, so it can safely be repeated.

`by` says who gave the command, for the job's history; "" where nobody did.
"""

from __future__ import annotations

from actors.settings.timestamps import now
from domain.jobs.job import CollectionJob
from domain.jobs.request import OnTooManyFailures
from domain.jobs.status import TOO_MANY_FAILURES, JobStatus
from domain.limits.cooldown_watch import Cooldown

CANCEL = "cancel"


def take_up(job: CollectionJob, by: str = "") -> None:
    """Start, resume or take over a job, whichever it needs."""
    match job.status:
        case JobStatus.PENDING:
            job.start(reason="collect", by=by, timestamp=now())
        case JobStatus.PAUSED:
            resume(job, by)
        case JobStatus.RUNNING:
            take_over(job, by)


def take_over(job: CollectionJob, by: str = "") -> None:
    """Take over a job from a coordinator that died; a paused job stays paused."""
    if job.status is JobStatus.RUNNING:
        job.take_over(reason="its coordinator was gone", by=by, timestamp=now())


def resume(job: CollectionJob, by: str = "") -> None:
    """Go on, if paused."""
    if job.status is JobStatus.PAUSED:
        job.resume(reason="resume", by=by, timestamp=now())


def pause(job: CollectionJob, by: str = "") -> None:
    """Pause, if running."""
    if job.status is JobStatus.RUNNING:
        job.pause(reason="pause", by=by, timestamp=now())


def note_cooldown(job: CollectionJob, cool_down: Cooldown) -> None:
    """Record that the broker refused the account, unless the job has ended meanwhile."""
    if not job.status.is_final:
        job.note_cooldown(cool_down.seconds, cool_down.reason, timestamp=now(), command_id=cool_down.cooldown_id)


def cancel(job: CollectionJob, by: str = "") -> None:
    """Cancel, unless ended."""
    if not job.status.is_final:
        job.cancel(reason=CANCEL, by=by, timestamp=now())


def retry(job: CollectionJob, by: str = "") -> None:
    """Collect the failed symbols again."""
    job.retry(reason="retry", by=by, timestamp=now())


def conclude(job: CollectionJob, reason: str, on_too_many_failures: OnTooManyFailures, by: str = "") -> None:
    """Complete, fail or pause a job whose workers are gone; `reason` says why they are, "" when all is done."""
    if reason == CANCEL:
        cancel(job, by)
    if job.status is not JobStatus.RUNNING:
        return
    if job.all_batches_finished:
        job.conclude(timestamp=now())
    elif reason == TOO_MANY_FAILURES and on_too_many_failures is OnTooManyFailures.FAIL:
        job.fail(reason=reason, timestamp=now())
    else:
        job.pause(reason=reason or "workers_stopped", by=by, timestamp=now())
