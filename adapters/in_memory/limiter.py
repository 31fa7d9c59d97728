"""InMemoryRateLimiter: permits without a wait, each one counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from domain.limits.messages import Priority
from domain.limits.ports import PermitSource
from domain.limits.usage import BrokerUsage


class InMemoryPermit:
    """A permit that remembers how it was used."""

    travel_seconds = 0.0

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self.is_sent = False
        self.is_answered = False
        self.usage: tuple[BrokerUsage, ...] = ()

    def sent(self) -> None:
        """The request is about to be written."""
        self.is_sent = True

    def answered(self, usage: Sequence[BrokerUsage] = ()) -> None:
        """The response headers are in."""
        self.is_answered = True
        self.usage = tuple(usage)


class InMemoryRateLimiter:
    """Grants without limit, and counts: every permit ends as `answered`, `unused` or `abandoned`.

    While `gate` is cleared, callers wait; `waiting` says how many. `usage` keeps the broker's own counts, answer by
    answer.
    """

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.granted = 0
        self.tokens_granted = 0
        self.answered = 0
        self.unused = 0
        self.abandoned = 0
        self.waiting = 0
        self.cooldowns: list[tuple[float | None, str]] = []
        self.bound_jobs: list[tuple[str, Priority]] = []
        self.usage: list[tuple[BrokerUsage, ...]] = []
        self.closed = False

    @asynccontextmanager
    async def acquire(self, tokens: int = 1, pool: str = "") -> AsyncIterator[InMemoryPermit]:
        """Wait for the gate, then grant."""
        await self._pass_gate()
        self.granted += 1
        self.tokens_granted += tokens
        permit = InMemoryPermit(tokens)
        try:
            yield permit
        finally:
            self.answered += permit.is_answered
            if permit.is_answered:
                self.usage.append(permit.usage)
            self.abandoned += permit.is_sent and not permit.is_answered
            self.unused += not permit.is_sent

    async def cool_down(self, retry_after_seconds: float | None, reason: str) -> None:
        """Note the broker's refusal in `cooldowns`; grants are not delayed."""
        self.cooldowns.append((retry_after_seconds, reason))

    def bound_to(self, job_id: str, priority: Priority = Priority.BULK) -> PermitSource:
        """This limiter itself; the job and its priority are noted in `bound_jobs`."""
        self.bound_jobs.append((job_id, priority))
        return self

    async def close(self) -> None:
        """Do nothing: no permit is kept."""
        self.closed = True

    async def _pass_gate(self) -> None:
        self.waiting += 1
        try:
            await self.gate.wait()
        finally:
            self.waiting -= 1
