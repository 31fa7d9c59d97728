"""PermitClient: one process's side of a rate limiter, remote or in the same loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Protocol
from uuid import uuid4

from actors.collecting.permit_line import PermitLine
from domain.errors import LimiterUnavailable, PermitExpired
from domain.limits.messages import Completion, Outcome, PermitBundle, PermitRequest, Priority
from domain.limits.permit_bundles import BundleTerms
from domain.limits.ports import Permit, PermitSource
from domain.limits.usage import BrokerUsage


class LimiterCalls(Protocol):
    """The calls of `RateLimiter` that a client makes; a proxy may carry them over Ray."""

    async def acquire(self, request: PermitRequest, completions: Sequence[Completion] = ()) -> PermitBundle | None: ...

    async def complete(self, completions: Sequence[Completion]) -> None: ...

    async def cool_down(self, retry_after_seconds: float | None, reason: str) -> float: ...


class HeldPermit:
    """A permit that a gateway may use; implements `domain.limits.ports.Permit`."""

    def __init__(
        self, permit_id: str, tokens: int, usable_until: float, travel_seconds: float, clock: Callable[[], float]
    ) -> None:
        self._permit_id, self._tokens = permit_id, tokens
        self._usable_until, self._travel_seconds = usable_until, travel_seconds
        self._clock = clock
        self._outcome = Outcome.UNUSED
        self._sent_at: float | None = None
        self._completed_at: float | None = None
        self._usage: tuple[BrokerUsage, ...] = ()
        self._is_given_back = False

    @property
    def tokens(self) -> int:
        return self._tokens

    @property
    def usable_until(self) -> float:
        return self._usable_until

    @property
    def travel_seconds(self) -> float:
        return self._travel_seconds

    def sent(self) -> None:
        now = self._clock()
        late_by_seconds = now - self._usable_until
        if late_by_seconds > 0:
            raise PermitExpired(late_by_seconds)
        if self._outcome is not Outcome.UNUSED or self._is_given_back:
            raise RuntimeError("a permit is for one request on the wire: take another one for the next")
        self._outcome = Outcome.ABANDONED
        self._sent_at = now

    def answered(self, usage: Sequence[BrokerUsage] = ()) -> None:
        if self._outcome is Outcome.UNUSED:
            raise RuntimeError("a request cannot be answered before it was sent")
        self._outcome = Outcome.ANSWERED
        self._completed_at = self._clock()
        self._usage = tuple(usage)

    def completion(self, now: float) -> tuple[Completion, float]:
        """The permit's completion and its time: now, or when it was answered. It cannot be used any more."""
        self._is_given_back = True
        completed_at = now if self._completed_at is None else self._completed_at
        call_seconds = None if self._sent_at is None else completed_at - self._sent_at
        return Completion(self._permit_id, self._outcome, 0.0, call_seconds, self._usage), completed_at


class PermitClient:
    """Takes permits from a limiter and completes them; implements `domain.limits.ports.IRateLimiter`.

    What became of a permit rides on the next acquire, or goes alone when none follows within
    `flush_seconds` (half the shortest window is a good choice). `clock` has to go on while the machine sleeps: by it
    a permit that was slept over is too old to use. Where `leases` allows more than one
    permit a call, those who wait here are asked for together, see `PermitLine`.
    """

    def __init__(
        self,
        calls: LimiterCalls,
        flush_seconds: float = 0.5,
        *,
        clock: Callable[[], float],
        bundles: BundleTerms | None = None,
    ) -> None:
        self._calls = calls
        self._flush_seconds = flush_seconds
        self._clock = clock
        self._bundles = bundles or BundleTerms()
        self._lines: dict[PermitRequest, PermitLine[HeldPermit]] = {}
        self._unreported: list[tuple[Completion, float]] = []
        self._flush_timer: asyncio.TimerHandle | None = None
        self._flushes: set[asyncio.Task[None]] = set()

    def bound_to(self, job_id: str, priority: Priority = Priority.BULK) -> PermitSource:
        return _JobPermits(self, job_id, priority)

    def acquire(self, tokens: int = 1, pool: str = "") -> AbstractAsyncContextManager[Permit]:
        return self.acquire_for(PermitRequest(tokens=tokens, pool=pool))

    @asynccontextmanager
    async def acquire_for(self, request: PermitRequest) -> AsyncIterator[Permit]:
        """The same, for the request's job: the account's jobs take turns."""
        permit = await self._next(request)
        try:
            yield permit
        finally:
            self._give_back(*permit.completion(self._clock()))

    async def cool_down(self, retry_after_seconds: float | None, reason: str) -> None:
        for line in self._lines.values():
            line.return_spares()
        await self._calls.cool_down(retry_after_seconds, reason)

    async def close(self) -> None:
        for line in self._lines.values():
            await line.close()
        if self._flush_timer:
            self._flush_timer.cancel()
            self._flush_timer = None
        if self._flushes:
            await asyncio.wait(self._flushes)
        await self._flush()

    async def _next(self, request: PermitRequest) -> HeldPermit:
        line = self._lines.get(request)
        if line is None:
            most_permits = self._bundles.permits(request.tokens, request.pool)
            if most_permits == 1:
                return (await self._take_bundle(request))[0]
            line = self._lines[request] = PermitLine(
                most_permits,
                self._bundles.spare_seconds,
                lambda permits: self._take_bundle(replace(request, permits=permits)),
                self._give_back_spares,
                self._clock,
            )
        return await line.take()

    async def _take_bundle(self, request: PermitRequest) -> list[HeldPermit]:
        ticket = uuid4().hex
        bundle = None
        try:
            while bundle is None:
                asked_at = self._clock()
                with self._completions_to_send() as completions:
                    bundle = await self._calls.acquire(replace(request, ticket=ticket), completions)
        except BaseException:
            # A grant may be on its way: the limiter must learn that it will not be used.
            self._give_back(Completion(ticket, Outcome.UNUSED), self._clock())
            raise
        usable_until = asked_at + bundle.granted_after_seconds + bundle.valid_seconds
        travel_seconds = self._clock() - asked_at - max(0.0, bundle.granted_after_seconds)
        return [
            HeldPermit(each, bundle.tokens, usable_until, travel_seconds, self._clock) for each in bundle.permit_ids
        ]

    def _give_back_spares(self, permits: Sequence[HeldPermit]) -> None:
        """Release permits at once: another process may be waiting for them."""
        for permit in permits:
            self._give_back(*permit.completion(self._clock()))
        self._start_flush()

    def _give_back(self, completion: Completion, completed_at: float) -> None:
        self._unreported.append((completion, completed_at))
        if self._flush_timer is None:
            loop = asyncio.get_running_loop()
            self._flush_timer = loop.call_later(self._flush_seconds, self._start_flush)

    @contextmanager
    def _completions_to_send(self) -> Iterator[list[Completion]]:
        """The completions to send with a call; kept for the next one if the call fails."""
        sending, self._unreported = self._unreported, []
        now = self._clock()
        try:
            yield [completion.sent_after(now - completed_at) for completion, completed_at in sending]
        except BaseException:
            self._unreported = [*sending, *self._unreported]
            raise

    def _start_flush(self) -> None:
        self._flush_timer = None
        task = asyncio.get_running_loop().create_task(self._flush())
        self._flushes.add(task)
        task.add_done_callback(self._flushes.discard)

    async def _flush(self) -> None:
        if not self._unreported:
            return
        try:
            with self._completions_to_send() as completions:
                await self._calls.complete(completions)
        except LimiterUnavailable:
            # The limiter is shut down: its record counts these permits until their bound, longer but never shorter.
            self._unreported.clear()


class _JobPermits:
    """A client's permits for one job; implements `domain.limits.ports.PermitSource`."""

    def __init__(self, client: PermitClient, job_id: str, priority: Priority) -> None:
        self._client, self._job_id, self._priority = client, job_id, priority

    def acquire(self, tokens: int = 1, pool: str = "") -> AbstractAsyncContextManager[Permit]:
        request = PermitRequest(tokens=tokens, job_id=self._job_id, priority=self._priority, pool=pool)
        return self._client.acquire_for(request)

    async def cool_down(self, retry_after_seconds: float | None, reason: str) -> None:
        await self._client.cool_down(retry_after_seconds, reason)
