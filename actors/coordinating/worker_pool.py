"""WorkerPool: the workers of one job, from their first call to the end of their processes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from domain.errors import CollectorError, StorageError, WorkerLost
from domain.jobs.batches import WorkerOutcome

GRACE_SECONDS = 0.6
"""How long a worker may take to stop by itself before its process is killed."""

log = logging.getLogger(__name__)


class WorkerHandle(Protocol):
    """A worker as its coordinator sees it; every call raises WorkerLost once its process is gone."""

    async def run(self, job_id: str) -> WorkerOutcome: ...

    async def pause(self, now: bool = False, number: int | None = None) -> None: ...

    async def resume(self, number: int | None = None) -> None: ...

    async def shutdown(self) -> None: ...

    def kill(self) -> None: ...


class WorkerPool:
    """Runs workers and tells when one is lost (`on_lost`) or gives up for a reason (`on_trouble`)."""

    def __init__(
        self,
        job_id: str,
        factory: Callable[[str], WorkerHandle],
        on_lost: Callable[[str], None],
        on_trouble: Callable[[str], None],
    ) -> None:
        self._job_id = job_id
        self._factory = factory
        self._on_lost = on_lost
        self._on_trouble = on_trouble
        self._workers: dict[str, WorkerHandle] = {}
        self._runs: set[asyncio.Task[None]] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._workers

    def add(self, name: str) -> None:
        """Create a worker and set it to work."""
        self._workers[name] = self._factory(name)
        self._runs.add(asyncio.get_running_loop().create_task(self._run(name)))

    async def tell(self, order: Callable[[WorkerHandle], Awaitable[None]]) -> None:
        """Give every worker the order, and wait until all have carried it out or are gone."""
        answers = await asyncio.gather(*map(order, list(self._workers.values())), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, WorkerLost):
                raise answer

    async def stop(self) -> None:
        """Stop every worker; kill those that are still running after the grace."""
        await self.tell(_stop)

    async def all_gone(self) -> None:
        """Wait until no worker is left, those added meanwhile included."""
        while self._runs:
            done, _ = await asyncio.wait(self._runs, return_when=asyncio.FIRST_COMPLETED)
            self._runs -= done
            for run in done:
                run.result()

    async def _run(self, name: str) -> None:
        worker = self._workers[name]
        try:
            outcome = await worker.run(self._job_id)
        except WorkerLost as error:
            log.warning("%s", error)
            del self._workers[name]
            self._on_lost(name)
        except StorageError as error:
            self._on_trouble(f"storage_unavailable: {error}")
        except CollectorError as error:
            self._on_trouble(f"{type(error).__name__}: {error}")
        except Exception as error:
            log.exception("%s failed", name)
            self._on_trouble(f"{name} failed: {type(error).__name__}: {error}")
        else:
            if outcome.reason not in ("done", "stopped"):
                self._on_trouble(f"{outcome.reason}: {outcome.message}")
        finally:
            self._workers.pop(name, None)
            worker.kill()


async def _stop(worker: WorkerHandle) -> None:
    try:
        async with asyncio.timeout(GRACE_SECONDS):
            await worker.shutdown()
    except TimeoutError:
        worker.kill()
