"""JobRecorder: one job's aggregate and its store, kept in step by the job's only writer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from domain.errors import EventStoreUnavailable, StaleEpoch
from domain.jobs.job import CollectionJob
from domain.jobs.plan import CollectionPlan
from domain.jobs.ports import JobStore

SAVE_ATTEMPTS = 5
SAVE_PAUSE_SECONDS = 0.5

Answer = TypeVar("Answer")


class JobRecorder:
    """Carries out commands on the job one after the other, each saved before the next.

    The store is used from one thread of its own, so that a slow disk holds up nobody else.
    """

    def __init__(self, job_id: str, store: JobStore, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._job_id = job_id
        self._store = store
        self._sleep = sleep
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="event-store")
        self._writing = asyncio.Lock()
        self._job: CollectionJob | None = None
        self._must_reload = True
        self._epoch = 0
        self.is_hurried = False
        """Whether a command is given up at the first failed save."""

    @property
    def job(self) -> CollectionJob:
        """The job as last recorded; `load` first."""
        assert self._job is not None, "the job is loaded before anything is asked of it"
        return self._job

    async def load(self) -> CollectionPlan:
        """Read the job and its plan. Raises JobNotFound, EventStoreUnavailable."""
        plan = await self._in_thread(lambda: self._store.plan(self._job_id))
        await self._reload()
        self._epoch = self.job.epoch
        return plan

    async def record(self, command: Callable[[CollectionJob], object]) -> None:
        """Carry out a command and save what it did.

        After a failed save the aggregate is thrown away, the store's truth reloaded and the command
        tried again: it has to look at the job before it does anything. Raises EventStoreUnavailable
        when that keeps failing, and StaleEpoch when another coordinator has the job now.
        """
        async with self._writing:
            for attempt in range(1, SAVE_ATTEMPTS + 1):
                try:
                    await self._carry_out(command)
                    return
                except EventStoreUnavailable:
                    if attempt == SAVE_ATTEMPTS or self.is_hurried:
                        raise
                await self._sleep(SAVE_PAUSE_SECONDS)

    async def _carry_out(self, command: Callable[[CollectionJob], object]) -> None:
        if self._must_reload:
            await self._reload()
            # A later epoch than any this recorder has tried to begin is another coordinator's.
            if self.job.epoch > self._epoch:
                self._must_reload = True
                raise StaleEpoch(self._job_id, self._epoch, self.job.epoch)
        self._must_reload = True
        command(self.job)
        self._epoch = self.job.epoch
        await self._in_thread(lambda: self._store.save(self.job))
        self._must_reload = False

    async def _reload(self) -> None:
        self._job = await self._in_thread(lambda: self._store.job(self._job_id))
        self._must_reload = False

    async def _in_thread(self, call: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)
