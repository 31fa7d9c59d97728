"""CollectionTools: what a worker collects with."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, ParamSpec, Protocol, TypeVar

from actors.run_control import RunControl
from domain.brokers.gateway import Gateway
from domain.candles.ports import CandleRepository, TradingCalendar
from domain.candles.sessions import AlwaysOpen
from domain.jobs.retries import RetryPolicy

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class RunBlocking(Protocol):
    """Runs a blocking call without blocking the event loop, like `asyncio.to_thread`."""

    def __call__(
        self, call: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Coroutine[Any, Any, Result]: ...


@dataclass(frozen=True, slots=True)
class CollectionTools:
    """What a worker collects with; the same for all of its symbols."""

    gateway: Gateway
    candles: CandleRepository
    control: RunControl
    retry_policy: RetryPolicy
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random01: Callable[[], float] = random.random
    clock: Callable[[], float] = time.time
    run_blocking: RunBlocking = asyncio.to_thread
    calendar: TradingCalendar = field(default_factory=AlwaysOpen)

    def now_ms(self) -> int:
        """The present time by our own clock."""
        return int(self.clock() * 1000)

    async def back_off(self, seconds: float) -> None:
        """Wait; raises Interrupted on an immediate pause or a shutdown."""
        await self.control.guard(self._wait(seconds))

    async def _wait(self, seconds: float) -> None:
        with self.control.waiting():
            await self.sleep(seconds)
