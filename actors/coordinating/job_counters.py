"""JobCounters: what the workers told since the last recorded batch, added to what is recorded."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import reduce

from domain.candles.findings import added
from domain.jobs.batches import BatchReport
from domain.jobs.job import CollectionJob
from domain.jobs.ports import ProgressEvent
from domain.jobs.progress import Progress
from domain.jobs.status import JobStatus
from domain.limits.messages import LimiterStatus

RATE_OVER_SECONDS = 5.0
SURELY = 6
"""Digits of work that count: parts of symbols are added up, and three thirds may come to a hair less than one."""


@dataclass(slots=True)
class Told:
    """What was told of a batch: counts by name, findings, and how much of its symbols is done."""

    counts: Counter[str] = field(default_factory=Counter)
    findings: dict[str, int] = field(default_factory=dict)
    work: float = 0.0


class JobCounters:
    """Live counts of one coordinator's run of a job; `snapshot` puts them together with the aggregate's.

    Live counts of a batch stand until its report is stored: the aggregate then has them.
    """

    def __init__(
        self, job: CollectionJob, pages_per_symbol: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`job` is as its last event left it, with which this run began."""
        self._pages_per_symbol = pages_per_symbol
        self._pages_before = job.pages
        self._requests_before = job.requests
        self._seconds_before = job.running_seconds(job.modified_on)
        self._clock = clock
        self._began_at = clock()
        self._ended_at: float | None = None
        self._told: dict[int, Told] = {}
        self._told_by_lost: dict[int, Told] = {}
        self._recent: deque[tuple[float, int]] = deque()
        self.version = 0

    def add(self, event: ProgressEvent) -> None:
        """Take in what a worker told."""
        told = self._told.setdefault(event.batch, Told())
        told.counts.update(
            pages=event.pages,
            candles=event.candles,
            quarantined=event.quarantined,
            requests=event.requests,
            done=event.symbols_done,
            failed=event.symbols_failed,
        )
        told.findings = added(told.findings, event.findings)
        told.work += event.work
        if event.requests:
            self._recent.append((self._clock(), event.requests))
        self.version += 1

    def reported(self, batch: int) -> None:
        """The batch's counts are in the aggregate now, and stored."""
        self._told.pop(batch, None)
        self._told_by_lost.pop(batch, None)
        self.version += 1

    def lost(self, batch: int) -> None:
        """The batch's worker is gone: what it saved and asked stays counted, its symbols come again."""
        told, by_lost = self._told.pop(batch, Told()), self._told_by_lost.setdefault(batch, Told())
        by_lost.counts.update({name: told.counts[name] for name in ("pages", "candles", "quarantined", "requests")})
        by_lost.findings = added(by_lost.findings, told.findings)
        by_lost.work = max(by_lost.work, told.work)
        self.version += 1

    def with_left_behind(self, report: BatchReport) -> BatchReport:
        """The report of a batch together with what workers lost over it had done."""
        by_lost = self._told_by_lost.get(report.batch, Told())
        return replace(
            report,
            candles_saved=report.candles_saved + by_lost.counts["candles"],
            candles_quarantined=report.candles_quarantined + by_lost.counts["quarantined"],
            pages=report.pages + by_lost.counts["pages"],
            requests=report.requests + by_lost.counts["requests"],
            findings=added(report.findings, by_lost.findings),
            in_part=max(report.in_part, by_lost.work - len(report.completed) - len(report.failed)),
        )

    def unreported(self) -> list[BatchReport]:
        """What workers told of batches that none of them came to report, as reports of something unfinished."""
        of_batches = {batch: self._told.get(batch, Told()) for batch in sorted({*self._told, *self._told_by_lost})}
        return [
            self.with_left_behind(
                BatchReport(
                    batch=batch,
                    epoch=0,
                    finished=False,
                    completed=(),
                    candles_saved=told.counts["candles"],
                    candles_quarantined=told.counts["quarantined"],
                    pages=told.counts["pages"],
                    requests=told.counts["requests"],
                    findings=told.findings,
                    in_part=told.work,
                )
            )
            for batch, told in of_batches.items()
        ]

    def end(self) -> None:
        """The run is over: time stands still."""
        self._ended_at = self._clock()
        self.version += 1

    def snapshot(self, job: CollectionJob, limiter: LimiterStatus | None, is_attended: bool, at: datetime) -> Progress:
        """The job as it stands at that moment: as it is stored, and what was told since."""
        recorded = Progress.of_record(job, at)
        told = (*self._told.values(), *self._told_by_lost.values())
        counts: Counter[str] = sum((each.counts for each in told), Counter())
        work = replace(job.work, done=self._work_done(job))
        pages_done = recorded.pages_done + counts["pages"]
        progress = replace(
            recorded,
            version=self.version,
            symbols_completed=self._symbols_completed(job),
            # A symbol that is retried, and fails again, was a failed one before.
            symbols_failed=min(recorded.symbols_failed + counts["failed"], job.symbols_total - job.symbols_completed),
            pages_total=pages_done + round(work.left * self._pages_per_symbol),
            pages_done=pages_done,
            candles_saved=recorded.candles_saved + counts["candles"],
            candles_quarantined=recorded.candles_quarantined + counts["quarantined"],
            requests=recorded.requests + counts["requests"],
            share=work.share,
            run_requests=recorded.requests + counts["requests"] - self._requests_before,
            run_seconds=recorded.running_seconds - self._seconds_before,
            requests_per_second=self._requests_per_second(),
            findings=reduce(added, (each.findings for each in told), recorded.findings),
            is_attended=is_attended,
        )
        if limiter:
            progress = _with_limiter(progress, limiter)
        return replace(progress, eta_seconds=self._eta_seconds(progress))

    # A batch taken up again tells anew of what an earlier claim had done: it counts once.

    def _symbols_completed(self, job: CollectionJob) -> int:
        done = {batch: told.counts["done"] for batch, told in self._told.items()}
        fresh = sum(max(0, count - job.early(batch).completed) for batch, count in done.items())
        return min(job.symbols_completed + fresh, job.symbols_total - job.symbols_failed)

    def _work_done(self, job: CollectionJob) -> float:
        fresh = sum(max(0.0, self._work_told(batch) - job.early(batch).collected) for batch in self._batches_told())
        return min(round(job.work.done + fresh, SURELY), float(job.work.total))

    def _work_told(self, batch: int) -> float:
        return max(told.get(batch, Told()).work for told in (self._told, self._told_by_lost))

    def _batches_told(self) -> Iterable[int]:
        return {*self._told, *self._told_by_lost}

    def _eta_seconds(self, progress: Progress) -> float | None:
        is_sending = progress.is_attended and progress.status is JobStatus.RUNNING and progress.may_send
        pages = progress.pages_done - self._pages_before
        if not (is_sending and pages and progress.run_seconds and progress.pages_total is not None):
            return None
        return (progress.pages_total - progress.pages_done) * progress.run_seconds / pages

    def _requests_per_second(self) -> float:
        elapsed_seconds = (self._ended_at or self._clock()) - self._began_at
        since = self._clock() - RATE_OVER_SECONDS
        while self._recent and self._recent[0][0] < since:
            self._recent.popleft()
        completed_seconds = min(RATE_OVER_SECONDS, max(elapsed_seconds, 1.0))
        return sum(count for _, count in self._recent) / completed_seconds


def _with_limiter(progress: Progress, limiter: LimiterStatus) -> Progress:
    return replace(
        progress,
        mean_call_seconds=limiter.mean_call_seconds,
        limits=tuple(window.limit for window in limiter.windows),
        cooldown_seconds=limiter.cooldown_seconds,
        cooldown_reason=limiter.cooldown_reason if limiter.cooldown_seconds else "",
        evidence_wait_seconds=limiter.evidence_wait_seconds,
        evidence_wait_reason=limiter.evidence_wait_reason,
        is_account_paused=limiter.paused,
    )
