"""PermitLine: the callers of one process that wait for permits of one kind, where permits come in bundles."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Generic, Protocol, TypeVar

CALLS_AT_ONCE = 2
"""One is answered while the other waits in the limiter's queue, so that the job keeps its turn."""


class Spendable(Protocol):
    """A permit that can be kept for a moment."""

    @property
    def usable_until(self) -> float: ...


Held = TypeVar("Held", bound=Spendable)


class PermitLine(Generic[Held]):
    """Gathers waiting callers into calls for several permits, and serves them first come, first served.

    `take_bundle(n)` returns 1 to n permits. When permits are used faster than calls bring them, a call takes as many as
    the last `spare_seconds` used; permits that stay unused that long go to `give_back`.
    """

    def __init__(
        self,
        most_permits: int,
        spare_seconds: float,
        take_bundle: Callable[[int], Coroutine[None, None, list[Held]]],
        give_back: Callable[[Sequence[Held]], None],
        clock: Callable[[], float],
    ) -> None:
        self._most_permits = most_permits
        self._spare_seconds = spare_seconds
        self._take_bundle = take_bundle
        self._give_back = give_back
        self._clock = clock
        self._waiters: deque[asyncio.Future[Held]] = deque()
        self._calls: dict[asyncio.Task[list[Held]], int] = {}
        self._spares: deque[tuple[float, Held]] = deque()
        self._used_at: deque[float] = deque(maxlen=most_permits)
        self._asks_soon = False
        self._return_timer: asyncio.TimerHandle | None = None

    async def take(self) -> Held:
        """The next permit. Raises what the call for it raised."""
        spare = None if self._waiters else self._usable_spare()
        permit = spare or await self._wait()
        self._used_at.append(self._clock())
        return permit

    async def _wait(self) -> Held:
        waiter: asyncio.Future[Held] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._ask_soon()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._hand_out([waiter.result()])
            waiter.cancel()
            self._waiters = deque(other for other in self._waiters if not other.done())
            self._cancel_needless_calls()
            raise

    async def close(self) -> None:
        """Cancel the calls and give back what is spare."""
        calls = list(self._calls)
        for call in calls:
            call.cancel()
        if calls:
            await asyncio.wait(calls)
        if self._return_timer:
            self._return_timer.cancel()
            self._return_timer = None
        self.return_spares()

    def return_spares(self) -> None:
        """Give back what is spare, now."""
        self._return_spares(float("inf"))

    def _ask_soon(self) -> None:
        """Call at the end of this turn of the loop, so that all who begin to wait in it share one call."""
        if not self._asks_soon:
            self._asks_soon = True
            asyncio.get_running_loop().call_soon(self._ask)

    def _ask(self) -> None:
        self._asks_soon = False
        unasked = len(self._waiters) - sum(self._calls.values())
        while unasked > 0 and (len(self._calls) < CALLS_AT_ONCE or unasked >= self._most_permits):
            permits = min(max(unasked, self._used_lately()), self._most_permits)
            call = asyncio.ensure_future(self._take_bundle(permits))
            self._calls[call] = permits
            call.add_done_callback(self._answered)
            unasked -= permits

    def _answered(self, call: asyncio.Task[list[Held]]) -> None:
        permits = self._calls.pop(call)
        error = None if call.cancelled() else call.exception()
        if error is not None:
            for _ in range(permits):
                if waiter := self._next_waiter():
                    waiter.set_exception(error)
        elif not call.cancelled():
            self._hand_out(call.result())
        self._ask_soon()

    def _hand_out(self, permits: Sequence[Held]) -> None:
        for permit in permits:
            if waiter := self._next_waiter():
                waiter.set_result(permit)
            else:
                self._spares.append((self._clock(), permit))
        if self._spares and self._return_timer is None:
            self._return_later()

    def _next_waiter(self) -> asyncio.Future[Held] | None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                return waiter
        return None

    def _usable_spare(self) -> Held | None:
        while self._spares:
            _, permit = self._spares.popleft()
            if permit.usable_until > self._clock():
                return permit
            self._give_back([permit])
        return None

    def _used_lately(self) -> int:
        lately = self._clock() - self._spare_seconds
        while self._used_at and self._used_at[0] < lately:
            self._used_at.popleft()
        return len(self._used_at)

    def _cancel_needless_calls(self) -> None:
        asked = sum(self._calls.values())
        for call, permits in reversed(self._calls.items()):
            if asked - permits < len(self._waiters):
                return
            call.cancel()
            asked -= permits

    def _return_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._return_timer = loop.call_later(self._spare_seconds, self._return_due)

    def _return_due(self) -> None:
        self._return_timer = None
        self._return_spares(self._clock() - self._spare_seconds / 2)
        if self._spares:
            self._return_later()

    def _return_spares(self, kept_since: float) -> None:
        due: list[Held] = []
        while self._spares and self._spares[0][0] <= kept_since:
            due.append(self._spares.popleft()[1])
        if due:
            self._give_back(due)
