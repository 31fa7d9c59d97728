"""JobCounters: live counts of a job, what workers have emitted added to what is recorded."""

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
"""Digits to which work is rounded: it adds up parts of symbols, and three thirds may be a hair less than one."""


@dataclass(slots=True)
class LiveCounts:
    """What workers emitted about a batch: counts by name, findings, and the symbols' work that is done."""

    counts: Counter[str] = field(default_factory=Counter)
    findings: dict[str, int] = field(default_factory=dict)
    work: float = 0.0


class JobCounters:
    """Live counts of one coordinator's run of a job; `snapshot` adds them to the aggregate's.

    Live counts of a batch are kept until its report is stored: the aggregate then has them.
    """

    def __init__(
        self, job: CollectionJob, pages_per_symbol: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`job` is the job as this run began, after its first event."""
        self._pages_per_symbol = pages_per_symbol
        self._pages_before = job.pages
        self._requests_before = job.requests
        self._seconds_before = job.running_seconds(job.modified_on)
        self._clock = clock
        self._began_at = clock()
        self._ended_at: float | None = None
        self._live: dict[int, LiveCounts] = {}
        self._live_of_lost: dict[int, LiveCounts] = {}
        self._recent: deque[tuple[float, int]] = deque()
        self.version = 0

    def add(self, event: ProgressEvent) -> None:
        """Count what a worker emitted."""
        live = self._live.setdefault(event.batch, LiveCounts())
        live.counts.update(
            pages=event.pages,
            candles=event.candles,
            quarantined=event.quarantined,
            requests=event.requests,
            done=event.symbols_done,
            failed=event.symbols_failed,
        )
        live.findings = added(live.findings, event.findings)
        live.work += event.work
        if event.requests:
            self._recent.append((self._clock(), event.requests))
        self.version += 1

    def reported(self, batch: int) -> None:
        """Drop the batch's live counts: they are stored with the aggregate now."""
        self._live.pop(batch, None)
        self._live_of_lost.pop(batch, None)
        self.version += 1

    def lost(self, batch: int) -> None:
        """The batch's worker is gone: its candles and requests stay counted, its symbols are collected again."""
        live, of_lost = self._live.pop(batch, LiveCounts()), self._live_of_lost.setdefault(batch, LiveCounts())
        of_lost.counts.update({name: live.counts[name] for name in ("pages", "candles", "quarantined", "requests")})
        of_lost.findings = added(of_lost.findings, live.findings)
        of_lost.work = max(of_lost.work, live.work)
        self.version += 1

    def with_lost_work(self, report: BatchReport) -> BatchReport:
        """The report of a batch, with what its lost workers had done added."""
        of_lost = self._live_of_lost.get(report.batch, LiveCounts())
        return replace(
            report,
            candles_saved=report.candles_saved + of_lost.counts["candles"],
            candles_quarantined=report.candles_quarantined + of_lost.counts["quarantined"],
            pages=report.pages + of_lost.counts["pages"],
            requests=report.requests + of_lost.counts["requests"],
            findings=added(report.findings, of_lost.findings),
            in_part=max(report.in_part, of_lost.work - len(report.completed) - len(report.failed)),
        )

    def unreported(self) -> list[BatchReport]:
        """The counts of batches that no worker has reported, as reports of unfinished batches."""
        of_batches = {
            batch: self._live.get(batch, LiveCounts()) for batch in sorted({*self._live, *self._live_of_lost})
        }
        return [
            self.with_lost_work(
                BatchReport(
                    batch=batch,
                    epoch=0,
                    finished=False,
                    completed=(),
                    candles_saved=live.counts["candles"],
                    candles_quarantined=live.counts["quarantined"],
                    pages=live.counts["pages"],
                    requests=live.counts["requests"],
                    findings=live.findings,
                    in_part=live.work,
                )
            )
            for batch, live in of_batches.items()
        ]

    def end(self) -> None:
        """The run is over: its time no longer grows."""
        self._ended_at = self._clock()
        self.version += 1

    def snapshot(self, job: CollectionJob, limiter: LimiterStatus | None, is_attended: bool, at: datetime) -> Progress:
        """The job at that time: what is stored, and the live counts since."""
        recorded = Progress.of_record(job, at)
        live = (*self._live.values(), *self._live_of_lost.values())
        counts: Counter[str] = sum((each.counts for each in live), Counter())
        work = replace(job.work, done=self._work_done(job))
        pages_done = recorded.pages_done + counts["pages"]
        progress = replace(
            recorded,
            version=self.version,
            symbols_completed=self._symbols_completed(job),
            # A symbol that is retried and fails again has been counted as failed before.
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
            findings=reduce(added, (each.findings for each in live), recorded.findings),
            is_attended=is_attended,
        )
        if limiter:
            progress = _with_limiter(progress, limiter)
        return replace(progress, eta_seconds=self._eta_seconds(progress))

    # A batch that is claimed again repeats what an earlier claim had done: it counts once.

    def _symbols_completed(self, job: CollectionJob) -> int:
        done = {batch: live.counts["done"] for batch, live in self._live.items()}
        fresh = sum(max(0, count - job.progress_of(batch).completed) for batch, count in done.items())
        return min(job.symbols_completed + fresh, job.symbols_total - job.symbols_failed)

    def _work_done(self, job: CollectionJob) -> float:
        fresh = sum(
            max(0.0, self._live_work(batch) - job.progress_of(batch).collected) for batch in self._live_batches()
        )
        return min(round(job.work.done + fresh, SURELY), float(job.work.total))

    def _live_work(self, batch: int) -> float:
        return max(live.get(batch, LiveCounts()).work for live in (self._live, self._live_of_lost))

    def _live_batches(self) -> Iterable[int]:
        return {*self._live, *self._live_of_lost}

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
