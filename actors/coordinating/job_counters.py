"""JobCounters: what the workers told since the last recorded batch, added to what is recorded."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import reduce

from actors.settings.timestamps import now
from domain.candles.findings import added
from domain.jobs.batches import BatchReport
from domain.jobs.job import CollectionJob
from domain.jobs.ports import ProgressEvent
from domain.jobs.progress import Progress
from domain.jobs.request import CollectionRequest
from domain.limits.messages import LimiterStatus


def pages_in(request: CollectionRequest, candles_per_page: int) -> int:
    """How many pages one symbol of the request takes, when nothing of it is stored."""
    return -(-request.span.duration_ms // (request.interval.duration_ms * candles_per_page))


RATE_OVER_SECONDS = 5.0
FAILURES_SHOWN = 20


class JobCounters:
    """Live counts of one coordinator's run of a job; `snapshot` puts them together with the aggregate's.

    Live counts of a batch stand until the batch is reported: the report then has them.
    """

    def __init__(
        self, request: CollectionRequest, candles_per_page: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pages_per_symbol = pages_in(request, candles_per_page)
        self._pages_total = self._pages_per_symbol * len(request.symbols)
        self._clock = clock
        self._began_at = clock()
        self._ended_at: float | None = None
        self._live: dict[int, Counter[str]] = {}
        self._left_behind: dict[int, Counter[str]] = {}
        self._live_findings: dict[int, dict[str, int]] = {}
        self._findings_left_behind: dict[int, dict[str, int]] = {}
        self._first_pages_done: int | None = None
        self._recent: deque[tuple[float, int]] = deque()
        self.version = 0

    def add(self, event: ProgressEvent) -> None:
        """Take in what a worker told."""
        live = self._live.setdefault(event.batch, Counter())
        live.update(
            pages=event.pages,
            skipped=event.pages_skipped,
            candles=event.candles,
            quarantined=event.quarantined,
            requests=event.requests,
            done=event.symbols_done,
            failed=event.symbols_failed,
        )
        self._live_findings[event.batch] = added(self._live_findings.get(event.batch, {}), event.findings)
        if event.requests:
            self._recent.append((self._clock(), event.requests))
        self.version += 1

    def reported(self, batch: int) -> None:
        """The batch's counts are in the aggregate now."""
        self._live.pop(batch, None)
        self._left_behind.pop(batch, None)
        self._live_findings.pop(batch, None)
        self._findings_left_behind.pop(batch, None)
        self.version += 1

    def lost(self, batch: int) -> None:
        """The batch's worker is gone: what it saved and asked stays counted, the symbols are to be done again."""
        live = self._live.pop(batch, Counter())
        left_behind = self._left_behind.setdefault(batch, Counter())
        left_behind.update({name: live[name] for name in ("candles", "quarantined", "requests")})
        found = self._live_findings.pop(batch, {})
        self._findings_left_behind[batch] = added(self._findings_left_behind.get(batch, {}), found)
        self.version += 1

    def with_left_behind(self, report: BatchReport) -> BatchReport:
        """The report of a batch together with what workers lost over it had done."""
        left_behind = self._left_behind.get(report.batch, Counter())
        return replace(
            report,
            candles_saved=report.candles_saved + left_behind["candles"],
            candles_quarantined=report.candles_quarantined + left_behind["quarantined"],
            requests=report.requests + left_behind["requests"],
            findings=added(report.findings, self._findings_left_behind.get(report.batch, {})),
        )

    def unreported(self) -> list[BatchReport]:
        """What workers told of batches that none of them came to report, as reports of something unfinished."""
        counts = {batch: self._live.get(batch, Counter()) for batch in sorted({*self._live, *self._left_behind})}
        return [
            self.with_left_behind(
                BatchReport(
                    batch=batch,
                    epoch=0,
                    finished=False,
                    completed=(),
                    candles_saved=live["candles"],
                    candles_quarantined=live["quarantined"],
                    pages=live["pages"],
                    requests=live["requests"],
                    findings=self._live_findings.get(batch, {}),
                )
            )
            for batch, live in counts.items()
        ]

    def end(self) -> None:
        """The run is over: time stands still."""
        self._ended_at = self._clock()
        self.version += 1

    def snapshot(
        self, job: CollectionJob, limiter: LimiterStatus | None, is_attended: bool, at: datetime | None = None
    ) -> Progress:
        """The job as it stands, or as it stood at a moment."""
        live: Counter[str] = sum((*self._live.values(), *self._left_behind.values()), Counter())
        told_findings = (*self._live_findings.values(), *self._findings_left_behind.values())
        pages_done = self._pages_done(job)
        elapsed_seconds = (self._ended_at or self._clock()) - self._began_at
        failures = list(job.failed_symbols.values())[:FAILURES_SHOWN]
        return Progress(
            job_id=job.job_id,
            status=job.status,
            reason=job.reason,
            version=self.version,
            symbols_total=job.symbols_total,
            symbols_completed=self._symbols_completed(job),
            symbols_failed=job.symbols_failed + live["failed"],
            pages_total=self._pages_total,
            pages_done=pages_done,
            candles_saved=job.candles_saved + live["candles"],
            candles_quarantined=job.candles_quarantined + live["quarantined"],
            requests=job.requests + live["requests"],
            started_at=job.started_at,
            completed_at=job.completed_at,
            running_seconds=job.running_seconds(at or now()),
            eta_seconds=self._eta_seconds(pages_done, elapsed_seconds) if is_attended else None,
            requests_per_second=self._requests_per_second(elapsed_seconds),
            mean_call_seconds=limiter.mean_call_seconds if limiter else 0.0,
            limits=tuple(window.limit for window in limiter.windows) if limiter else (),
            cooldown_seconds=limiter.cooldown_seconds if limiter else 0.0,
            is_account_paused=limiter.paused if limiter else False,
            cooldown_reason=limiter.cooldown_reason if limiter and limiter.cooldown_seconds else "",
            findings=reduce(added, told_findings, job.findings),
            failed_symbols={failure.symbol: f"{failure.kind}: {failure.message}" for failure in failures},
            is_attended=is_attended,
        )

    # A batch taken up again tells anew of the symbols that an earlier claim had completed: they count once.

    def _symbols_completed(self, job: CollectionJob) -> int:
        fresh = sum(max(0, live["done"] - job.completed_early(batch)) for batch, live in self._live.items())
        return min(job.symbols_completed + fresh, job.symbols_total - job.symbols_failed)

    def _pages_done(self, job: CollectionJob) -> int:
        settled_symbols = job.symbols_completed + job.symbols_failed
        fresh = sum(
            max(0, live["pages"] + live["skipped"] - job.completed_early(batch) * self._pages_per_symbol)
            for batch, live in self._live.items()
        )
        return min(settled_symbols * self._pages_per_symbol + fresh, self._pages_total)

    def _eta_seconds(self, pages_done: int, elapsed_seconds: float) -> float | None:
        if self._first_pages_done is None:
            self._first_pages_done = pages_done
        fresh = pages_done - self._first_pages_done
        return (self._pages_total - pages_done) * elapsed_seconds / fresh if fresh else None

    def _requests_per_second(self, elapsed_seconds: float) -> float:
        since = self._clock() - RATE_OVER_SECONDS
        while self._recent and self._recent[0][0] < since:
            self._recent.popleft()
        completed_seconds = min(RATE_OVER_SECONDS, max(elapsed_seconds, 1.0))
        return sum(count for _, count in self._recent) / completed_seconds
