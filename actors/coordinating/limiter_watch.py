"""LimiterWatch: tells the limiter every second that a run is there, and keeps the limiter's latest status."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from domain.errors import CollectorError
from domain.limits.cooldown_watch import Cooldown, CooldownWatch
from domain.limits.messages import LimiterStatus

POLL_SECONDS = 1.0
ANSWER_SECONDS = 10.0
"""A limiter that takes longer is asked again: it may have died with the question."""

log = logging.getLogger(__name__)


class Attendance(Protocol):
    """A run at a limiter: its limits are in force there while it attends. Both raise CollectorErrors."""

    async def attend(self) -> LimiterStatus:
        """Tell the limiter that the run is there; returns the limiter's status."""

    async def leave(self) -> None:
        """Tell the limiter that the run has ended."""


class LimiterWatch:
    """Attends every second until the run has ended, then leaves; `status` is the latest that the limiter told."""

    def __init__(self, attendance: Attendance, cooled_down: Callable[[Cooldown], None]) -> None:
        self.status: LimiterStatus | None = None
        self._attendance = attendance
        self._cooled_down = cooled_down
        self._cooldowns = CooldownWatch()

    async def follow(self, ended: asyncio.Event) -> None:
        """Attend until then. Whatever keeps a limiter from answering, it is asked again: it may be restarting."""
        while not ended.is_set():
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    status = await self._attendance.attend()
                self._look(status)
            except (CollectorError, TimeoutError) as error:
                log.warning("the limiter does not tell its status: %s", error or "no answer")
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await ended.wait()
        # One that has ended before keeps nobody to this run's limits any more.
        with suppress(CollectorError, TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._attendance.leave()

    def _look(self, status: LimiterStatus) -> None:
        self.status = status
        if cooldown := self._cooldowns.look(status):
            self._cooled_down(cooldown)
