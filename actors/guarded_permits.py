"""GuardedPermits: a permit source that counts what is sent, and that a pause at once cuts short."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from actors.run_control import RunControl
from domain.ports import Permit, PermitSource
from domain.usage import BrokerUsage


class GuardedPermits:
    """Another source's permits under a RunControl; implements `domain.ports.PermitSource`.

    Whoever waits for a permit when it is no longer wanted gets Interrupted, and a permit that comes
    late goes back unused. `requests` counts what went on the wire.
    """

    def __init__(self, source: PermitSource, control: RunControl) -> None:
        self.requests = 0
        self._source = source
        self._control = control

    @asynccontextmanager
    async def acquire(self, tokens: int = 1, pool: str = "") -> AsyncIterator[Permit]:
        """Wait for a permit of the source."""
        async with AsyncExitStack() as stack:
            with self._control.waiting():
                permit = await stack.enter_async_context(self._source.acquire(tokens, pool))
            yield _CountedPermit(permit, self)

    async def seal(self, retry_after_seconds: float | None, reason: str) -> None:
        """Seal the source."""
        await self._source.seal(retry_after_seconds, reason)


class _CountedPermit:
    def __init__(self, permit: Permit, counter: GuardedPermits) -> None:
        self._permit = permit
        self._counter = counter

    @property
    def tokens(self) -> int:
        return self._permit.tokens

    def sent(self) -> None:
        self._permit.sent()
        self._counter.requests += 1

    def answered(self, usage: Sequence[BrokerUsage] = ()) -> None:
        self._permit.answered(usage)
