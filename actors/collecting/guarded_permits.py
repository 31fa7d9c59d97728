"""GuardedPermits: a permit source that counts requests and obeys pause and shutdown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from actors.run_control import RunControl
from domain.jobs.timings import Timings
from domain.limits.ports import Permit, PermitSource
from domain.limits.usage import BrokerUsage


class GuardedPermits:
    """Another source's permits under a RunControl; implements `domain.limits.ports.PermitSource`.

    An immediate pause or a shutdown raises Interrupted where a permit is waited for; a permit that comes later is
    released. `requests` counts what went on the wire, `waited_seconds` adds up the waits that limits caused, and
    `timings` how long answered calls took.
    """

    def __init__(self, source: PermitSource, control: RunControl) -> None:
        self.requests = 0
        self.waited_seconds = 0.0
        self.timings = Timings()
        self._source = source
        self._control = control

    @asynccontextmanager
    async def acquire(self, tokens: int = 1, pool: str = "") -> AsyncIterator[Permit]:
        """Wait for a permit."""
        async with AsyncExitStack() as stack:
            asked_at = asyncio.get_running_loop().time()
            with self._control.waiting():
                permit = await stack.enter_async_context(self._source.acquire(tokens, pool))
            held_since = asyncio.get_running_loop().time()
            self.waited_seconds += max(0.0, held_since - asked_at - permit.travel_seconds)
            yield _CountedPermit(permit, self, held_since)

    async def cool_down(self, retry_after_seconds: float | None, reason: str) -> None:
        """Start a cooldown of the source."""
        await self._source.cool_down(retry_after_seconds, reason)


class _CountedPermit:
    def __init__(self, permit: Permit, counter: GuardedPermits, held_since: float) -> None:
        self._permit = permit
        self._counter = counter
        self._held_since = held_since

    @property
    def tokens(self) -> int:
        return self._permit.tokens

    @property
    def travel_seconds(self) -> float:
        return self._permit.travel_seconds

    def sent(self) -> None:
        self._permit.sent()
        self._counter.requests += 1

    def answered(self, usage: Sequence[BrokerUsage] = ()) -> None:
        self._permit.answered(usage)
        call_seconds = asyncio.get_running_loop().time() - self._held_since
        self._counter.timings += Timings.of_call(call_seconds)
