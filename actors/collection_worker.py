"""CollectionWorker: claims batches, collects their symbols, reports; pauses and stops when told."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from actors.collecting.batch_counters import BatchCounters
from actors.collecting.broker_queries import BrokerQueries
from actors.collecting.group_collection import GroupCollection
from actors.collecting.guarded_permits import GuardedPermits
from actors.collecting.job_scope import JobScope
from actors.collecting.tools import CollectionTools, RunBlocking
from actors.run_control import Interrupted, RunControl
from domain.brokers.gateway import Gateway
from domain.brokers.queries import grouped
from domain.brokers.wire import Transport
from domain.candles.ports import CandleRepository, TradingCalendar
from domain.candles.sessions import AlwaysOpen
from domain.errors import (
    CollectorError,
    CredentialsRefused,
    LimiterUnavailable,
    RateLimitError,
    StaleEpoch,
    StorageError,
)
from domain.jobs.batches import BatchReport, BatchWork, WorkerOutcome
from domain.jobs.ports import EventEmitter, JobRepository
from domain.jobs.request import CollectionRequest
from domain.jobs.retries import RetryPolicy
from domain.jobs.timings import NOTHING_TIMED, Timings
from domain.limits.ports import IRateLimiter

CLOSE_GRACE_SECONDS = 0.2
"""How long sending the last completions may take; permits that are not completed count longer, never shorter."""

log = logging.getLogger(__name__)


class CollectionWorker:
    """Works for one job through injected ports.

    Call `run` once; `pause`, `resume` and `shutdown` may be called at any time, in any order, any number of times:
    RunControl explains their numbers.
    """

    def __init__(
        self,
        job_repo: JobRepository,
        broker_gateway: Gateway,
        transport: Transport,
        candle_repo: CandleRepository,
        rate_limiter: IRateLimiter,
        event_emitter: EventEmitter,
        retry_policy: RetryPolicy | None = None,
        name: str = "worker",
        job_id: str = "",
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random01: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.time,
        run_blocking: RunBlocking = asyncio.to_thread,
        calendar: TradingCalendar | None = None,
    ) -> None:
        self._job_repo = job_repo
        self._transport = transport
        self._rate_limiter = rate_limiter
        self._emitter = event_emitter
        self._name = name
        self._job_id = job_id
        self._control = RunControl()
        self._tools = CollectionTools(
            broker_gateway,
            candle_repo,
            self._control,
            retry_policy or RetryPolicy(),
            sleep,
            random01,
            clock,
            run_blocking,
            calendar or AlwaysOpen(),
        )
        self._scope: JobScope | None = None
        self._in_flight: list[str] = []
        self._batch: int | None = None
        self._trouble: WorkerOutcome | None = None
        self._ended = asyncio.Event()
        self._ended.set()

    def __repr__(self) -> str:
        return f"CollectionWorker({self._job_id or 'no job yet'}, {self._name})"

    async def run(self, job_id: str) -> WorkerOutcome:
        """Collect batches until none is left, a shutdown, or trouble that is no symbol's fault.

        Raises JobNotFound, and any other error of the job repository that is not an outage.
        """
        self._job_id = job_id
        self._ended.clear()
        try:
            return await self._work(job_id)
        finally:
            await self._close()
            self._ended.set()

    async def pause(self, now: bool = False, number: int | None = None) -> None:
        """Begin no more symbols; returns when none is in flight and all finished work is reported.

        No request leaves from then on until `resume`. With `now`, begun symbols stop after the current page, and waits
        for permits end.
        """
        self._control.pause(now, number)
        await self._control.idle()

    async def resume(self, number: int | None = None) -> None:
        """Go on after a pause."""
        self._control.resume(number)

    async def shutdown(self) -> None:
        """Cancel everything but a save that has begun, report what is done, end `run`; then return."""
        self._control.shutdown()
        await self._ended.wait()

    async def status(self) -> dict[str, Any]:
        """What the worker is doing: its state, its batch, and the symbols in flight."""
        return {
            "worker": self._name,
            "job": self._job_id,
            "state": self._state(),
            "batch": self._batch,
            "symbols": list(self._in_flight),
        }

    def _state(self) -> str:
        if self._ended.is_set():
            return "idle"
        if self._control.is_stopping:
            return "stopping"
        if self._control.is_paused:
            return "pausing" if self._control.is_busy else "paused"
        return "running"

    async def _work(self, job_id: str) -> WorkerOutcome:
        try:
            request = await self._control.guard(self._job_repo.start(job_id, self._name))
        except Interrupted:
            return WorkerOutcome("stopped")
        try:
            await self._collect_batches(job_id, request)
        except Interrupted:
            return self._trouble or WorkerOutcome("stopped")
        finally:
            await self._job_repo.finish(job_id, self._name)
        return self._trouble or WorkerOutcome("done")

    async def _collect_batches(self, job_id: str, request: CollectionRequest) -> None:
        clock, reporting_seconds = asyncio.get_running_loop().time, None
        while True:
            await self._control.wait_until_resumed()
            claimed_at, command = clock(), self._control.next_number
            work = await self._control.guard(self._job_repo.claim_batch(job_id, self._name))
            if work is None:
                return
            claiming_seconds = clock() - claimed_at if self._control.next_number == command else 0.0
            turnaround = NOTHING_TIMED
            if reporting_seconds is not None:
                turnaround = Timings(batches=1, turnaround_seconds=reporting_seconds + claiming_seconds)
            with self._control.busy():
                report = await self._collect_batch(request, work, turnaround)
                reported_at = clock()
                await self._report(report)
                reporting_seconds = clock() - reported_at

    async def _collect_batch(self, request: CollectionRequest, work: BatchWork, turnaround: Timings) -> BatchReport:
        """Collect the batch's symbols, `concurrency` groups at a time, until the control lets none begin."""
        permits = GuardedPermits(self._rate_limiter.bound_to(self._job_id, request.priority), self._control)
        counters = BatchCounters(work, self._name, self._emitter, permits, turnaround)
        broker = BrokerQueries(self._tools, self._transport.wire(permits))
        waiting = deque(grouped(work.symbols, self._tools.gateway.spec.most_instruments))
        self._batch = work.batch
        slots = [
            asyncio.ensure_future(self._slot(request, waiting, broker, counters))
            for _ in range(min(request.concurrency, len(waiting)))
        ]
        try:
            await asyncio.gather(*slots)
        finally:
            for slot in slots:
                slot.cancel()
            self._batch = None
        return counters.close()

    async def _slot(
        self,
        request: CollectionRequest,
        waiting: deque[tuple[str, ...]],
        broker: BrokerQueries,
        counters: BatchCounters,
    ) -> None:
        clock = asyncio.get_running_loop().time
        while waiting and self._control.may_begin:
            symbols = waiting.popleft()
            self._in_flight += symbols
            began_at = clock()
            try:
                await self._collect_group(symbols, request, broker, counters)
            except Interrupted:
                return
            except CollectorError as error:
                self._stop_for(error)
                return
            finally:
                self._in_flight = [symbol for symbol in self._in_flight if symbol not in symbols]
                counters.worked(clock() - began_at)

    async def _collect_group(
        self, symbols: tuple[str, ...], request: CollectionRequest, broker: BrokerQueries, counters: BatchCounters
    ) -> None:
        datasets = [self._tools.gateway.dataset(symbol, request.interval) for symbol in symbols]
        if self._scope is None:
            self._scope = JobScope(self._tools, request, datasets[0])
        group = GroupCollection(self._tools, broker, self._scope, datasets, counters)
        await group.collect()
        for work in group.works:
            if work.error is None:
                counters.completed(work.dataset.symbol)
                continue
            log.info("%s: %s was given up: %s", self, work.dataset.symbol, work.error)
            counters.failed(work.failure())
        counters.skipped(group.work_left)

    def _stop_for(self, error: CollectorError) -> None:
        """End the run for trouble that is no symbol's."""
        trouble = _trouble(error)
        log.error("%s stops: %s", self, error)
        self._trouble = self._trouble or trouble
        self._control.shutdown()

    async def _report(self, report: BatchReport) -> None:
        try:
            await self._job_repo.report_batch(self._job_id, self._name, report)
        except StaleEpoch as error:
            # What was saved still counts: the worker that claims the batch now finds it.
            log.info("%s drops its report: %s", self, error)

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_GRACE_SECONDS):
                await self._transport.close()
                await self._rate_limiter.close()
        except (TimeoutError, LimiterUnavailable) as error:
            log.warning("%s: permits were not completed, so they count longer: %r", self, error)


def _trouble(error: CollectorError) -> WorkerOutcome:
    """Why an error stops the worker; an error that is a bug is raised again."""
    match error:
        case CredentialsRefused():
            return WorkerOutcome("broker_refused_credentials", str(error))
        case StorageError():
            return WorkerOutcome("storage_unavailable", str(error))
        case RateLimitError():
            return WorkerOutcome("limiter_unavailable", str(error))
    raise error
