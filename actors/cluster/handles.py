"""Handles: the actors as plain objects. Every call of an actor's method is in this file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, cast

import ray
from ray.actor import ActorHandle
from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError

from domain.errors import LimiterUnavailable, WorkerLost
from domain.jobs.batches import BatchReport, BatchWork, WorkerOutcome
from domain.jobs.ports import ProgressEvent
from domain.jobs.progress import Progress
from domain.jobs.request import CollectionRequest
from domain.limits.messages import Completion, LimiterStatus, PermitBundle, PermitRequest
from domain.limits.operator_pause import OperatorPause, sync_pause_state
from domain.limits.rates import AccountLimits

CONTROL_SECONDS = 30.0
"""How long a driver waits for an order to be carried out before it reports that nothing answers."""


class RemoteRateLimiter:
    """A RateLimiter actor as other actors call it; implements `actors.collecting.permit_client.LimiterCalls`."""

    def __init__(self, actor: ActorHandle[Any]) -> None:
        self._actor = actor

    async def acquire(self, request: PermitRequest, completions: Sequence[Completion] = ()) -> PermitBundle | None:
        bundle: PermitBundle | None = await _unless_gone(self._actor.acquire.remote(request, completions))
        return bundle

    async def complete(self, completions: Sequence[Completion]) -> None:
        await _unless_gone(self._actor.complete.remote(completions))

    async def cool_down(self, retry_after_seconds: float | None, reason: str) -> float:
        cooldown_seconds: float = await _unless_gone(self._actor.cool_down.remote(retry_after_seconds, reason))
        return cooldown_seconds


class RemoteAttendance:
    """A run at its RateLimiter actor; implements `actors.coordinating.limiter_watch.Attendance`."""

    def __init__(self, actor: ActorHandle[Any], run: str, limits: AccountLimits) -> None:
        self._actor, self._run, self._limits = actor, run, limits

    async def attend(self) -> LimiterStatus:
        status: LimiterStatus = await _unless_gone(self._actor.attend.remote(self._run, self._limits))
        return status

    async def leave(self) -> None:
        await _unless_gone(self._actor.leave.remote(self._run))


async def _unless_gone(call: Any) -> Any:
    try:
        return await call
    except RayActorError as error:
        raise LimiterUnavailable("the rate limiter has ended") from error
    except RayTaskError as error:
        # Raise the cause: the text of Ray's own error is a traceback.
        raise error.cause from None


class RemoteJobRepository:
    """A JobCoordinator actor as its workers see it; implements JobRepository and EventEmitter."""

    def __init__(self, actor: ActorHandle[Any]) -> None:
        self._actor = actor

    async def start(self, job_id: str, worker: str) -> CollectionRequest:
        request: CollectionRequest = await self._actor.start.remote(job_id, worker)
        return request

    async def claim_batch(self, job_id: str, worker: str) -> BatchWork | None:
        work: BatchWork | None = await self._actor.claim_batch.remote(job_id, worker)
        return work

    async def report_batch(self, job_id: str, worker: str, report: BatchReport) -> Progress:
        progress: Progress = await self._actor.report_batch.remote(job_id, worker, report)
        return progress

    async def finish(self, job_id: str, worker: str) -> None:
        await self._actor.finish.remote(job_id, worker)

    def emit(self, event: ProgressEvent) -> None:
        self._actor.emit.remote(event)


class RemoteWorker:
    """A CollectionWorker actor, for its coordinator; implements `actors.coordinating.worker_pool.WorkerHandle`."""

    def __init__(self, name: str, actor: ActorHandle[Any]) -> None:
        self._name, self._actor = name, actor

    async def run(self, job_id: str) -> WorkerOutcome:
        outcome: WorkerOutcome = await self._unless_lost(
            self._actor.run.options(name=f"{self._name}: collect {job_id}").remote(job_id)
        )
        return outcome

    async def pause(self, now: bool = False, number: int | None = None) -> None:
        await self._unless_lost(self._actor.pause.remote(now, number))

    async def resume(self, number: int | None = None) -> None:
        await self._unless_lost(self._actor.resume.remote(number))

    async def shutdown(self) -> None:
        await self._unless_lost(self._actor.shutdown.remote())

    def kill(self) -> None:
        ray.kill(self._actor)

    async def _unless_lost(self, call: Any) -> Any:
        try:
            return await call
        except RayActorError as error:
            raise WorkerLost(self._name, str(error)) from error
        except RayTaskError as error:
            raise error.cause from None


class JobHandle:
    """A running job, for a driver script: its methods block until they are carried out.

    `by` says who gives the commands: the job's history keeps it.
    """

    def __init__(self, job_id: str, actor: ActorHandle[Any], stored: Callable[[], Progress], by: str = "") -> None:
        self.job_id = job_id
        self._actor = actor
        self._stored = stored
        self._by = by

    def __repr__(self) -> str:
        return f"JobHandle({self.job_id})"

    def begin(self, retry: bool) -> Progress:
        """Have the coordinator take up the job; raises the error that prevents it."""
        return self._ask(self._actor.begin, retry, self._by)

    def progress(self) -> Progress:
        """The job at this moment."""
        return self._ask(self._actor.progress)

    def wait_for(self, seen_version: int, timeout_seconds: float) -> Progress:
        """The job as soon as it is newer than `seen_version`, or as it is after the timeout."""
        return self._ask(self._actor.wait_for, seen_version, timeout_seconds)

    def watch(self, timeout_seconds: float = 1.0) -> Iterator[Progress]:
        """The job's progress, at least every `timeout_seconds`, until nothing works on it any more."""
        progress = self.progress()
        yield progress
        while progress.is_attended:
            progress = self.wait_for(progress.version, timeout_seconds)
            yield progress

    def wait(self) -> Progress:
        """Wait until nothing works on the job any more."""
        *_, last = self.watch(timeout_seconds=10.0)
        return last

    def pause(self, now: bool = False) -> Progress:
        """Begin no more symbols; returns when those in flight have finished and PAUSED is recorded."""
        return self._ask(self._actor.pause, now, None, self._by, patience_seconds=None)

    def resume(self) -> Progress:
        """Go on after a pause."""
        return self._ask(self._actor.resume, None, self._by)

    def shutdown(self, by: str = "") -> Progress:
        """Stop within a second, with the state saved; `by` names who gave the command if not this process."""
        return self._ask(self._actor.shutdown, "shutdown", by or self._by)

    def cancel(self) -> Progress:
        """Stop and cancel the job."""
        return self._ask(self._actor.cancel, self._by)

    def dismiss(self) -> None:
        """End the coordinator of a job that nothing works on any more."""
        ray.kill(self._actor)

    def _ask(self, method: Any, *arguments: Any, patience_seconds: float | None = CONTROL_SECONDS) -> Progress:
        try:
            answer: Progress = ray.get(method.remote(*arguments), timeout=patience_seconds)
            return answer
        except RayActorError:
            return self._stored()
        except RayTaskError as error:
            raise error.cause from None


class LimiterHandle:
    """A RateLimiter actor, for a driver; implements `domain.limits.operator_pause.RunningLimiter`."""

    def __init__(self, actor: ActorHandle[Any]) -> None:
        self._actor = actor

    def take_account(self, run: str, limits: AccountLimits, switch: OperatorPause, address: str) -> AccountLimits:
        """Attach a run with its limits, publish where the limiter runs, and apply the operator's switch.

        Returns the limits in force, the strictest of all runs. Raises LimiterUnavailable when another run holds the
        account.
        """
        in_force: AccountLimits = self._ask(self._actor.attach, run, limits)
        switch.announce(address)
        sync_pause_state(switch, self)
        return in_force

    def pause(self) -> None:
        """Grant nothing until `resume`."""
        self._ask(self._actor.pause)

    def resume(self) -> None:
        """Grant again."""
        self._ask(self._actor.resume)

    def end_cooldown(self) -> float:
        """Grant again although the broker refused; how many seconds of the cooldown were left."""
        left_seconds: float = self._ask(self._actor.end_cooldown)
        return left_seconds

    def status(self) -> LimiterStatus:
        """The limiter at this moment."""
        return cast("LimiterStatus", self._ask(self._actor.status))

    def shutdown(self) -> None:
        """Refuse every request, release the account and end the actor; a later run starts another.

        An actor that does not answer is ended too: its permits are in its record.
        """
        with suppress(LimiterUnavailable):
            self._ask(self._actor.shutdown)
        ray.kill(self._actor)

    def _ask(self, method: Any, *arguments: Any) -> Any:
        try:
            return ray.get(method.remote(*arguments), timeout=CONTROL_SECONDS)
        except RayTaskError as error:
            raise error.cause from None
        except RayActorError as error:
            raise LimiterUnavailable("the rate limiter has ended") from error
        except GetTimeoutError as error:
            raise LimiterUnavailable(f"the rate limiter has not answered for {CONTROL_SECONDS:g} seconds") from error
