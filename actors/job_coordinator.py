"""JobCoordinator: runs one job, and is the only writer of its events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Protocol

from actors.coordinating import commands
from actors.coordinating.commands import CANCEL
from actors.coordinating.job_counters import JobCounters
from actors.coordinating.limiter_watch import Attendance, LimiterWatch
from actors.coordinating.recorder import JobRecorder
from actors.coordinating.worker_pool import WorkerHandle, WorkerPool
from actors.run_control import RunControl
from actors.settings import timestamps
from domain.errors import EventStoreUnavailable, StaleEpoch
from domain.jobs.batch_claims import BatchClaims
from domain.jobs.batches import BatchReport, BatchWork
from domain.jobs.job import CollectionJob
from domain.jobs.ports import JobStore, ProgressEvent
from domain.jobs.progress import Progress
from domain.jobs.request import CollectionRequest
from domain.jobs.status import TOO_MANY_FAILURES, JobStatus
from domain.limits.cooldown_watch import Cooldown

LOSSES_PER_BATCH = 3
"""A batch whose workers were lost so often stops the job; so do as many workers lost before their first claim."""

SUPERSEDED = "superseded"
"""Why a run ends when another coordinator owns its job; the recorder refuses every further command."""

log = logging.getLogger(__name__)


class JobMetrics(Protocol):
    """What a coordinator measures of its job."""

    def collected(self, requests: int, candles: int, failures: int) -> None: ...


class JobCoordinator:
    """Hands out a job's batches, records their reports, and serves its progress.

    Call `begin` first; `pause`, `resume`, `shutdown` and `cancel` are idempotent, and recorded with who gave them
    (`by`). Commands without a number get one as they arrive: no machine's clock decides which is the later one. A
    shutdown persists PAUSED within a second, whatever the workers are doing.
    """

    def __init__(
        self,
        job_id: str,
        store: JobStore,
        worker_factory: Callable[[str], WorkerHandle],
        limiter: Attendance,
        queries_per_symbol: Callable[[CollectionRequest], float],
        metrics: JobMetrics | None = None,
    ) -> None:
        self._job_id = job_id
        self._pool = WorkerPool(job_id, worker_factory, self._worker_lost, lambda why: self._spawn(self._end(why)))
        self._limiter = LimiterWatch(limiter, self._cooled_down)
        self._queries_per_symbol = queries_per_symbol
        self._metrics = metrics
        self._recorder = JobRecorder(job_id, store)
        self._control = RunControl()
        self._unrecorded: dict[int, BatchReport] = {}
        self._workers_begun = self._idle_losses = 0
        self._ending = self._ended_by = ""
        self._ended = asyncio.Event()
        self._end_error: EventStoreUnavailable | StaleEpoch | None = None
        self._changed = asyncio.Event()
        self._begun: asyncio.Future[None] | None = None
        self._background: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"JobCoordinator({self._job_id})"

    async def begin(self, retry: bool = False, by: str = "") -> Progress:
        """Start, resume or take over the job, or (`retry`) collect its failed symbols again.

        Calling again changes nothing. Raises JobNotFound, IllegalTransition, EventStoreUnavailable.
        """
        await self._be_begun(partial(commands.retry if retry else commands.take_up, by=by))
        return self._snapshot()

    async def progress(self) -> Progress:
        """The job at this moment; EventStoreUnavailable where the way it ended could not be stored."""
        await self._be_begun(commands.take_over)
        return self._stored_snapshot()

    async def wait_for(self, seen_version: int, timeout_seconds: float) -> Progress:
        """The job as soon as it is newer than `seen_version`, or as it is after the timeout."""
        await self._be_begun(commands.take_over)
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        try:
            async with asyncio.timeout_at(deadline):
                while self._counters.version <= seen_version:
                    await self._changed.wait()
        except TimeoutError:
            pass
        return self._stored_snapshot()

    async def pause(self, now: bool = False, number: int | None = None, by: str = "") -> Progress:
        """Begin no more symbols; when none is in flight, PAUSED is recorded and this returns.

        `now` stops symbols after the current page. No request leaves from then on until `resume`.
        """
        await self._be_begun(commands.take_over)
        number = self._control.next_number if number is None else number
        self._control.pause(now=now, number=number)
        await self._pool.tell(lambda worker: worker.pause(now, number))
        if self._control.is_paused and not self._ending:
            await self._record(partial(commands.pause, by=by))
        return self._snapshot()

    async def resume(self, number: int | None = None, by: str = "") -> Progress:
        """Go on after a pause, with a fresh allowance of failures."""
        await self._be_begun(commands.take_over)
        number = self._control.next_number if number is None else number
        self._control.resume(number=number)
        # A resume that arrives after a later pause changes nothing.
        if not self._control.is_paused and not self._ending and not self._ended.is_set():
            await self._record(partial(commands.resume, by=by))
            self._notify()
        await self._pool.tell(lambda worker: worker.resume(number))
        return self._snapshot()

    async def shutdown(self, reason: str = "shutdown", by: str = "") -> Progress:
        """Stop everything within a second and persist PAUSED.

        Raises EventStoreUnavailable when that could not be written: a resume then takes the job over.
        """
        await self._be_begun(commands.take_over)
        await self._end(reason, by)
        await self._ended.wait()
        if self._end_error is not None:
            raise self._end_error
        return self._snapshot()

    async def cancel(self, by: str = "") -> Progress:
        """Stop everything and cancel the job."""
        await self.shutdown(CANCEL, by)
        await self._record(partial(commands.cancel, by=by))
        return self._snapshot()

    async def start(self, job_id: str, worker: str) -> CollectionRequest:
        """A worker joins."""
        return self._request

    async def claim_batch(self, job_id: str, worker: str) -> BatchWork | None:
        """The next batch for a worker; None when nothing is left to do, or the run is ending."""
        while not self._ending and not self._claims.is_done and worker in self._pool:
            work = self._claims.take(worker, self._recorder.job.epoch) if self._control.may_begin else None
            if work:
                return work
            await self._changed.wait()
        return None

    async def report_batch(self, job_id: str, worker: str, report: BatchReport) -> Progress:
        """Record a batch, once; raises StaleEpoch when its claim is no longer valid."""
        if not self._claims.holds(report.batch, worker, report.epoch):
            raise StaleEpoch(self._job_id, report.epoch, self._recorder.job.epoch)
        whole = self._unrecorded[report.batch] = self._counters.with_lost_work(report)
        await self._record(lambda job: self._record_batch(job, whole))
        # Progress may have come in while the report was being stored: the report has it.
        self._counters.reported(report.batch)
        del self._unrecorded[report.batch]
        self._idle_losses = 0
        if self._claims.holds(report.batch, worker, report.epoch):
            self._claims.resolve(report)
        self._notify()
        if self._recorder.job.too_many_failures and not self._ending:
            self._spawn(self._end(TOO_MANY_FAILURES))
        return self._snapshot()

    async def finish(self, job_id: str, worker: str) -> None:
        """A worker leaves."""
        self._notify()

    async def emit(self, event: ProgressEvent) -> None:
        """Count a worker's progress event; events after a batch's report are ignored, for the report has them."""
        if not self._claims.holds(event.batch, event.worker, event.epoch):
            return
        self._counters.add(event)
        if self._metrics:
            self._metrics.collected(event.requests, event.candles, event.symbols_failed)
        self._notify()

    async def _be_begun(self, first_command: Callable[[CollectionJob], None]) -> None:
        if self._begun is None:
            self._begun = asyncio.ensure_future(self._begin(first_command))
        await asyncio.shield(self._begun)

    async def _begin(self, first_command: Callable[[CollectionJob], None]) -> None:
        plan = await self._recorder.load()
        self._request = plan.request
        await self._recorder.record(first_command)
        batches = self._recorder.job.remaining_batches(plan)
        self._claims = BatchClaims(batches)
        self._counters = JobCounters(self._recorder.job, self._queries_per_symbol(plan.request))
        if self._recorder.job.status is not JobStatus.RUNNING:
            await self._conclude()
            return
        for _ in range(min(self._request.workers, len(batches))):
            self._add_worker()
        self._spawn(self._limiter.follow(self._ended))
        self._spawn(self._supervise())

    async def _record(self, command: Callable[[CollectionJob], object]) -> None:
        try:
            await self._recorder.record(command)
        except StaleEpoch:
            self._spawn(self._end(SUPERSEDED))
            raise

    def _record_batch(self, job: CollectionJob, report: BatchReport) -> None:
        if not job.record_batch(report, timestamp=timestamps.now()):
            # A save that seemed to fail had stored the report.
            self._counters.reported(report.batch)

    def _add_worker(self) -> None:
        self._workers_begun += 1
        self._pool.add(f"worker-{self._recorder.job.epoch}-{self._workers_begun}")

    def _worker_lost(self, name: str) -> None:
        lost = self._claims.lose(name)
        for batch in lost:
            self._counters.lost(batch)
        self._idle_losses += not lost
        losses = max((self._idle_losses, *map(self._claims.losses, lost)))
        if losses >= LOSSES_PER_BATCH:
            self._spawn(self._end("workers_keep_dying"))
        elif not self._ending and not self._claims.is_done:
            self._add_worker()
        self._notify()

    async def _supervise(self) -> None:
        await self._pool.all_gone()
        await self._conclude()

    async def _end(self, reason: str, by: str = "") -> None:
        """Stop the workers for that reason; the first reason counts. `_supervise` then concludes."""
        if self._ending or self._ended.is_set():
            return
        self._ending, self._ended_by = reason, by
        self._recorder.is_hurried = True
        self._control.shutdown()
        self._notify()
        await self._pool.stop()

    async def _conclude(self) -> None:
        # Reports that could not be stored, and live counts of batches that no worker has reported.
        live = {report.batch: report for report in self._counters.unreported()}
        late = list((live | self._unrecorded).values())
        try:
            await self._recorder.record(lambda job: self._conclude_job(job, late))
            for report in late:
                self._counters.reported(report.batch)
        except (EventStoreUnavailable, StaleEpoch) as error:
            self._end_error = error
        finally:
            self._counters.end()
            self._ended.set()
            self._notify()

    def _conclude_job(self, job: CollectionJob, late: list[BatchReport]) -> None:
        if not job.status.is_final:
            for report in late:
                self._record_batch(job, report)
        commands.conclude(job, self._ending, self._request.on_too_many_failures, self._ended_by)

    def _cooled_down(self, cooldown: Cooldown) -> None:
        self._spawn(self._record(partial(commands.note_cooldown, cool_down=cooldown)))

    def _stored_snapshot(self) -> Progress:
        # The stored job says RUNNING, and not why nobody runs it any more.
        if isinstance(self._end_error, EventStoreUnavailable):
            raise self._end_error
        return self._snapshot()

    def _snapshot(self) -> Progress:
        status, is_attended = self._limiter.status, not self._ended.is_set()
        return self._counters.snapshot(self._recorder.job, status, is_attended, timestamps.now())

    def _notify(self) -> None:
        self._counters.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background_done)

    def _background_done(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("job %s: %r", self._job_id, task.exception())
