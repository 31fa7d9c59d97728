"""InMemoryJobRepository and RecordingEmitter: a job as its workers see it, without a coordinator."""

from __future__ import annotations

import asyncio
from functools import reduce

from domain.candles.findings import added
from domain.errors import JobNotFound, StaleEpoch
from domain.jobs.batches import BatchReport, BatchWork
from domain.jobs.ports import ProgressEvent
from domain.jobs.progress import Progress
from domain.jobs.request import CollectionRequest
from domain.jobs.status import JobStatus


class RecordingEmitter:
    """Keeps every progress event in `events`."""

    def __init__(self) -> None:
        self.events: list[ProgressEvent] = []

    def emit(self, event: ProgressEvent) -> None:
        """Remember the event."""
        self.events.append(event)

    def of_kind(self, kind: str) -> list[ProgressEvent]:
        """The events of one kind, in order."""
        return [event for event in self.events if event.kind == kind]


class InMemoryJobRepository:
    """One job's batches in plain state; `reports` keeps what was recorded, in order.

    A batch reported unfinished, or held by a worker that finished, is handed out again.
    """

    def __init__(self, request: CollectionRequest, job_id: str = "memory-job") -> None:
        self.job_id = job_id
        self.epoch = 1
        self.reports: list[BatchReport] = []
        self.workers: set[str] = set()
        self.finished_workers: list[str] = []
        self._request = request
        size = request.batch_size
        self._waiting = {
            number: request.symbols[first : first + size]
            for number, first in enumerate(range(0, len(request.symbols), size))
        }
        self._claimed: dict[int, tuple[str, tuple[str, ...]]] = {}
        self._changed = asyncio.Event()

    async def start(self, job_id: str, worker: str) -> CollectionRequest:
        """Join the job."""
        self._check(job_id)
        self.workers.add(worker)
        return self._request

    async def claim_batch(self, job_id: str, worker: str) -> BatchWork | None:
        """Claim the waiting batch of the lowest number; waits while other workers have claimed all that is left."""
        self._check(job_id)
        while not self._waiting and self._claimed:
            await self._changed.wait()
        if not self._waiting:
            return None
        number = min(self._waiting)
        symbols = self._waiting.pop(number)
        self._claimed[number] = (worker, symbols)
        return BatchWork(number, self.epoch, symbols)

    async def report_batch(self, job_id: str, worker: str, report: BatchReport) -> Progress:
        """Record the report; one of a batch that is not claimed any more changes nothing."""
        self._check(job_id)
        if report.epoch != self.epoch:
            raise StaleEpoch(job_id, report.epoch, self.epoch)
        if report.batch in self._claimed:
            _, symbols = self._claimed.pop(report.batch)
            self.reports.append(report)
            if not report.finished:
                completed = {*report.completed, *(failure.symbol for failure in report.failed)}
                self._waiting[report.batch] = tuple(symbol for symbol in symbols if symbol not in completed)
            self._announce()
        return self.progress()

    async def finish(self, job_id: str, worker: str) -> None:
        """Leave the job; the worker's batches wait again."""
        self._check(job_id)
        self.finished_workers.append(worker)
        self.workers.discard(worker)
        for number in [number for number, (owner, _) in self._claimed.items() if owner == worker]:
            self._waiting[number] = self._claimed.pop(number)[1]
        self._announce()

    def take_back_everything(self) -> None:
        """Raise the epoch: claimed batches wait again, and reports of their old claims are stale."""
        self.epoch += 1
        self._waiting.update({number: symbols for number, (_, symbols) in self._claimed.items()})
        self._claimed.clear()
        self._announce()

    def progress(self) -> Progress:
        """The sum of all reports."""
        done = not self._waiting and not self._claimed
        completed = sum(len(report.completed) for report in self.reports)
        failures = [failure for report in self.reports for failure in report.failed]
        return Progress(
            job_id=self.job_id,
            status=JobStatus.COMPLETED if done else JobStatus.RUNNING,
            reason="",
            version=len(self.reports),
            symbols_total=len(self._request.symbols),
            symbols_completed=completed,
            symbols_failed=len(failures),
            pages_total=sum(report.pages for report in self.reports),
            pages_done=sum(report.pages for report in self.reports),
            candles_saved=sum(report.candles_saved for report in self.reports),
            candles_quarantined=sum(report.candles_quarantined for report in self.reports),
            requests=sum(report.requests for report in self.reports),
            share=(completed + len(failures)) / len(self._request.symbols),
            findings=reduce(added, (report.findings for report in self.reports), {}),
            failed_symbols={failure.symbol: failure.message for failure in failures},
        )

    def _announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _check(self, job_id: str) -> None:
        if job_id != self.job_id:
            raise JobNotFound(job_id)
