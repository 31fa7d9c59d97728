"""JobRecorder: one job's aggregate and its store, kept in step by the job's only writer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
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

    `job` is never ahead of the store: a command changes a draft, whose events reach `job` when they are saved. The
    store is used from one thread of its own, so that a slow disk blocks nothing else.
    """

    def __init__(self, job_id: str, store: JobStore, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._job_id = job_id
        self._store = store
        self._sleep = sleep
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="event-store")
        self._writing = asyncio.Lock()
        self._job: CollectionJob | None = None
        self._draft: CollectionJob | None = None
        self._epoch = 0
        self.is_hurried = False
        """Whether a command fails at its first failed save."""

    @property
    def job(self) -> CollectionJob:
        """The job as it is known to be stored; `load` first."""
        assert self._job is not None, "the job is loaded before it is used"
        return self._job

    async def load(self) -> CollectionPlan:
        """Read the job and its plan. Raises JobNotFound, EventStoreUnavailable."""
        plan = await self._in_thread(lambda: self._store.plan(self._job_id))
        self._draft = await self._reload()
        self._epoch = self.job.epoch
        return plan

    async def record(self, command: Callable[[CollectionJob], object]) -> None:
        """Carry out a command and save what it did.

        After a failed save the draft is dropped, the job is loaded again, and the command is tried again: it has to
        look at the job before it does anything. Raises EventStoreUnavailable when that keeps failing, and StaleEpoch
        when another coordinator owns the job now. Nothing else runs between the update of `job` and the return to the
        caller.
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
        draft = self._draft if self._draft else await self._reload()
        self._draft = None
        # An epoch later than any that this recorder has tried to begin belongs to another coordinator.
        if draft.epoch > self._epoch:
            raise StaleEpoch(self._job_id, self._epoch, draft.epoch)
        command(draft)
        self._epoch = draft.epoch
        events = list(draft.pending_events)
        await self._in_thread(lambda: self._store.save(draft))
        for event in events:
            event.mutate(self.job)
        self._draft = draft

    async def _reload(self) -> CollectionJob:
        self._job, draft = await self._in_thread(self._read_twice)
        return draft

    def _read_twice(self) -> tuple[CollectionJob, CollectionJob]:
        job = self._store.job(self._job_id)
        return job, deepcopy(job)

    async def _in_thread(self, call: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)
