"""VirtualTimeLoop: an event loop that never waits for a timer; it moves its clock instead."""

from __future__ import annotations

import asyncio
import selectors
import time
from typing import Any


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Where another loop would sleep until its next timer, this one moves its clock to it.

    It does so only when nothing but timers can happen. While a thread of an executor works or a socket is open, time
    passes as it does on the wall. `loop.time()` starts at 0. A timer that is due already costs a nanosecond: code that
    sets a timer too close for a float to tell would otherwise loop for ever.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._threads_at_work = 0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += seconds

    @property
    def is_idle(self) -> bool:
        return not self._ready

    @property
    def only_timers_can_happen(self) -> bool:
        own_wake_up_pipe = 1
        return not self._threads_at_work and len(self._selector.get_map()) <= own_wake_up_pipe

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        future = super().run_in_executor(executor, func, *args)
        self._threads_at_work += 1
        future.add_done_callback(self._thread_is_back)
        return future

    async def shutdown_default_executor(self, *time_limit: float | None) -> None:
        # Since Python 3.12 it has a time limit of minutes, which a clock put forward would reach at once.
        self._threads_at_work += 1
        try:
            await super().shutdown_default_executor(*time_limit)
        finally:
            self._threads_at_work -= 1

    def _thread_is_back(self, _: asyncio.Future[Any]) -> None:
        self._threads_at_work -= 1


class _Selector(selectors.DefaultSelector):  # type: ignore[valid-type, misc]
    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout and self._loop.only_timers_can_happen:
            self._loop.advance(timeout)
            timeout = 0
        elif timeout == 0 and self._loop.is_idle:
            self._loop.advance(1e-9)
        started = time.monotonic()
        ready = super().select(timeout)
        if timeout != 0:
            self._loop.advance(time.monotonic() - started)
        return ready
