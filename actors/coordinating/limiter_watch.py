"""LimiterWatch: a run at its limiter: it shows that it is there, and sees how the account stands."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from domain.errors import LimiterUnavailable
from domain.limits.cooldown_watch import Cooldown, CooldownWatch
from domain.limits.messages import LimiterStatus

POLL_SECONDS = 1.0

log = logging.getLogger(__name__)


class Attendance(Protocol):
    """A run at a limiter: its limits are in force there while it attends. Both raise LimiterUnavailable."""

    async def attend(self) -> LimiterStatus:
        """Say that the run is there; how the limiter stands."""

    async def leave(self) -> None:
        """Say that the run has ended."""


class LimiterWatch:
    """Attends every second until the run has ended, then leaves; `status` is how the limiter stood last."""

    def __init__(self, attendance: Attendance, cooled_down: Callable[[Cooldown], None]) -> None:
        self.status: LimiterStatus | None = None
        self._attendance = attendance
        self._cooled_down = cooled_down
        self._cooldowns = CooldownWatch()

    async def follow(self, ended: asyncio.Event) -> None:
        """Attend until then. A limiter that does not answer is asked again: it may be restarting."""
        while not ended.is_set():
            try:
                self._look(await self._attendance.attend())
            except LimiterUnavailable as error:
                log.warning("the limiter does not say how it stands: %s", error)
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await ended.wait()
        # One that has ended before keeps nobody to this run's limits any more.
        with suppress(LimiterUnavailable):
            await self._attendance.leave()

    def _look(self, status: LimiterStatus) -> None:
        self.status = status
        if cooldown := self._cooldowns.look(status):
            self._cooled_down(cooldown)
