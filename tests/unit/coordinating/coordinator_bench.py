"""A JobCoordinator over an event store in memory, with real or scripted workers; everything in virtual time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from actors.collection_worker import CollectionWorker
from actors.job_coordinator import JobCoordinator
from adapters.in_memory import InMemoryCandleRepository, InMemoryExchange, InMemoryGateway, InMemoryRateLimiter
from adapters.job_store.journal import JobJournal
from domain.candles.dataset import Interval
from domain.errors import EventStoreUnavailable, WorkerLost
from domain.jobs.batches import WorkerOutcome
from domain.jobs.job import CollectionJob
from domain.jobs.ports import ProgressEvent
from domain.jobs.request import CollectionRequest
from domain.limits.messages import LimiterStatus
from tests.unit.collecting.worker_bench import bars, minutes, names


class FaultyStore:
    """A journal in memory whose next saves fail: `failing` of them, before or (`lands`) after they were stored.

    Clear `gate` and a save waits, in its thread, until it is set; `is_saving` tells.
    """

    def __init__(self) -> None:
        self.journal = JobJournal.in_memory()
        self.failing = 0
        self.lands = False
        self.is_saving = False
        self.gate = threading.Event()
        self.gate.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.journal, name)

    def save(self, job: CollectionJob) -> None:
        self.is_saving = True
        self.gate.wait(10)
        self.is_saving = False
        if self.failing:
            self.failing -= 1
            if self.lands:
                self.journal.save(job)
            raise EventStoreUnavailable("a store", "the disk is full")
        self.journal.save(job)


class LocalWorker:
    """A WorkerHandle on something that runs in this process; `kill` ends it as a lost process does."""

    def __init__(self, name: str, act: Callable[[LocalWorker], Awaitable[WorkerOutcome]]) -> None:
        self.name = name
        self.real: CollectionWorker | None = None
        self.orders: list[str] = []
        self.is_stuck = False
        self._act = act
        self._running: asyncio.Future[WorkerOutcome] | None = None

    async def run(self, job_id: str) -> WorkerOutcome:
        self._running = asyncio.ensure_future(self._act(self))
        try:
            return await self._running
        except asyncio.CancelledError:
            raise WorkerLost(self.name, "killed") from None

    async def pause(self, now: bool = False, number: int | None = None) -> None:
        self.orders.append("pause")
        if self.real:
            await self.real.pause(now, number)

    async def resume(self, number: int | None = None) -> None:
        self.orders.append("resume")
        if self.real:
            await self.real.resume(number)

    async def shutdown(self) -> None:
        self.orders.append("shutdown")
        if self.is_stuck:
            await asyncio.Event().wait()
        elif self.real:
            await self.real.shutdown()
        else:
            self.kill()

    def kill(self) -> None:
        if self._running and not self._running.done():
            self.orders.append("kill")
            self._running.cancel()


class CoordinatorBench:
    """A stored job of `symbols` times one page of 10 bars, and what its coordinators and workers live on.

    `script` takes the workers' places in turn; after it, and without it, they are real ones.
    """

    def __init__(
        self,
        symbols: int = 4,
        mishaps: Mapping[str, Any] | None = None,
        script: Iterable[Callable[[LocalWorker], Awaitable[WorkerOutcome]]] = (),
        latency_seconds: float = 0.1,
        **request: Any,
    ) -> None:
        settings: dict[str, Any] = {"batch_size": 2, "workers": 1, "concurrency": 1, **request}
        self.request = CollectionRequest(
            "memory", "default", names(symbols), Interval("1m"), minutes(0, 10), **settings
        )
        self.store = FaultyStore()
        self.job_id = self.store.submit(self.request, datetime.now(UTC))
        market = {symbol: bars(10) for symbol in self.request.symbols}
        self.exchange = InMemoryExchange(market, mishaps=mishaps, latency_seconds=latency_seconds)
        self.gateway = InMemoryGateway(most_rows=10)
        self.candles = InMemoryCandleRepository()
        self.limiter = InMemoryRateLimiter()
        self.attending = False
        self.workers: list[LocalWorker] = []
        self._script = list(script)
        self._told: set[asyncio.Future[None]] = set()
        self.coordinator = self.new_coordinator()

    def new_coordinator(self) -> JobCoordinator:
        """Another coordinator of the same job; workers made from now on belong to it."""
        self.coordinator = JobCoordinator(self.job_id, self.store, self._new_worker, self, lambda _: 1.0)
        return self.coordinator

    @property
    def job(self) -> CollectionJob:
        """The job as it is stored."""
        job: CollectionJob = self.store.job(self.job_id)
        return job

    @property
    def events(self) -> list[str]:
        """The names of the job's stored events."""
        return [entry.event for entry in self.store.history(self.job_id)]

    async def ended(self) -> CollectionJob:
        """The stored job once nobody works on it any more."""
        progress = await self.coordinator.progress()
        while progress.is_attended:
            progress = await self.coordinator.wait_for(progress.version, 60)
        return self.job

    def emit(self, event: ProgressEvent) -> None:
        told = asyncio.ensure_future(self.coordinator.emit(event))
        self._told.add(told)
        told.add_done_callback(self._told.discard)

    def _new_worker(self, name: str) -> LocalWorker:
        act = self._script.pop(0) if self._script else self._collect
        self.workers.append(LocalWorker(name, act))
        return self.workers[-1]

    async def _collect(self, worker: LocalWorker) -> WorkerOutcome:
        worker.real = CollectionWorker(
            self.coordinator,
            self.gateway,
            self.exchange,
            self.candles,
            self.limiter,
            self,
            name=worker.name,
            random01=lambda: 0.5,
            run_blocking=_inline,
        )
        return await worker.real.run(self.job_id)

    async def attend(self) -> LimiterStatus:
        self.attending = True
        return LimiterStatus("memory", "default", (), 0, False, 0.0, "", 0, 0.0, 0.05, "")

    async def leave(self) -> None:
        self.attending = False


async def _inline(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return call(*args, **kwargs)
