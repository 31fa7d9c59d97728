"""What a coordinator has its job do: each command looks at the job first, so that it can safely be repeated."""

from __future__ import annotations

from actors.settings.timestamps import now
from domain.jobs.job import TOO_MANY_FAILURES, CollectionJob, JobStatus
from domain.jobs.request import OnTooManyFailures
from domain.limits.cooldown_watch import Cooldown

CANCEL = "cancel"


def take_up(job: CollectionJob) -> None:
    """Start, resume or take over a job, whichever it needs."""
    match job.status:
        case JobStatus.PENDING:
            job.start(reason="collect", timestamp=now())
        case JobStatus.PAUSED:
            resume(job)
        case JobStatus.RUNNING:
            take_over(job)


def take_over(job: CollectionJob) -> None:
    """What a coordinator does that Ray has put in the place of one that died: a paused job stays paused."""
    if job.status is JobStatus.RUNNING:
        job.take_over(reason="its coordinator was gone", timestamp=now())


def resume(job: CollectionJob) -> None:
    """Go on, if paused."""
    if job.status is JobStatus.PAUSED:
        job.resume(reason="resume", timestamp=now())


def pause(job: CollectionJob) -> None:
    """Pause, if running."""
    if job.status is JobStatus.RUNNING:
        job.pause(reason="pause", timestamp=now())


def note_cooldown(job: CollectionJob, cool_down: Cooldown) -> None:
    """Record that the broker refused the account, unless the job has ended meanwhile."""
    if not job.status.is_final:
        job.note_cooldown(cool_down.seconds, cool_down.reason, timestamp=now(), command_id=cool_down.cooldown_id)


def cancel(job: CollectionJob) -> None:
    """Give up, unless ended."""
    if not job.status.is_final:
        job.cancel(reason=CANCEL, timestamp=now())


def retry(job: CollectionJob) -> None:
    """Go through the failed symbols again."""
    job.retry(reason="retry", timestamp=now())


def conclude(job: CollectionJob, reason: str, on_too_many_failures: OnTooManyFailures) -> None:
    """Bring a job whose workers are gone to where it belongs; `reason` says why they are, "" when all is done."""
    if reason == CANCEL:
        cancel(job)
    if job.status is not JobStatus.RUNNING:
        return
    if job.all_batches_finished:
        job.conclude(timestamp=now())
    elif reason == TOO_MANY_FAILURES and on_too_many_failures is OnTooManyFailures.FAIL:
        job.fail(reason=reason, timestamp=now())
    else:
        job.pause(reason=reason or "workers_stopped", timestamp=now())
