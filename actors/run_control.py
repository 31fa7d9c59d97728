"""RunControl: how pause, resume and shutdown affect the work inside an actor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

Result = TypeVar("Result")


class Interrupted(Exception):
    """An immediate pause or a shutdown ended the work."""


class RunControl:
    """Pause, resume and shutdown of one run; every command is idempotent and takes effect at once.

    An actor's calls may overtake each other, so commands are numbered by their sender: one that arrives after a later
    one is ignored. A command without a number is the latest. Shutdown is final. Work comes in three kinds. Work that
    must not be cancelled (a save) runs under `shield`. Work that a shutdown may cancel runs under `guard`. A wait there
    with nothing begun (for a permit, between two tries) is marked with `waiting`: an immediate pause cancels that, too.
    """

    def __init__(self) -> None:
        self._number = 0
        self._is_paused = False
        self._is_paused_now = False
        self._is_stopping = False
        self._busy = 0
        self._guarded: set[asyncio.Task[Any]] = set()
        self._waiting: set[asyncio.Task[Any]] = set()
        self._changed = asyncio.Event()

    @property
    def is_stopping(self) -> bool:
        """Whether shutdown was called."""
        return self._is_stopping

    @property
    def is_paused(self) -> bool:
        return self._is_paused

    @property
    def next_number(self) -> int:
        """A number later than that of every command so far."""
        return self._number + 1

    @property
    def is_busy(self) -> bool:
        """Whether anything runs inside `busy`."""
        return self._busy > 0

    @property
    def may_begin(self) -> bool:
        """Whether new work may begin: a symbol, say."""
        return not (self._is_paused or self._is_stopping)

    @property
    def may_continue(self) -> bool:
        """Whether work in hand may take its next step: a page, say."""
        return not (self._is_paused_now or self._is_stopping)

    def pause(self, now: bool = False, number: int | None = None) -> bool:
        """Let nothing begin; with `now`, let nothing continue either, and cancel waits.

        Returns False, and does nothing, when a later command has arrived before.
        """
        if not self._is_latest(number):
            return False
        self._is_paused = True
        if now:
            self._is_paused_now = True
            self._cut(self._waiting)
        self._announce()
        return True

    def resume(self, number: int | None = None) -> bool:
        """Let work go on; False when a later command has arrived before."""
        if not self._is_latest(number):
            return False
        self._is_paused = self._is_paused_now = False
        self._announce()
        return True

    def shutdown(self) -> None:
        """End every pause for good, and cancel everything under `guard`."""
        self._is_stopping = True
        self._cut(self._guarded)
        self._announce()

    async def wait_until_resumed(self) -> None:
        """Wait while paused; raises Interrupted once shutdown was called."""
        await self.until(lambda: not self._is_paused or self._is_stopping)
        if self._is_stopping:
            raise Interrupted

    async def idle(self) -> None:
        """Wait until nothing runs inside `busy`; returns early when the pause has ended."""
        await self.until(lambda: not self.is_busy or not self._is_paused or self._is_stopping)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until a condition over this control's state, or over what `busy` encloses, holds."""
        while not is_so():
            await self._changed.wait()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Mark what `idle` waits for."""
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1
            self._announce()

    async def guard(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do the work in a task of its own, which a shutdown cancels; raises Interrupted then.

        Work that was over before it could be cancelled keeps its result.
        """
        if self._is_stopping:
            work.close()
            raise Interrupted
        task = asyncio.ensure_future(work)
        self._guarded.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            if _is_cancelled_from_outside():
                raise
            raise Interrupted from None
        finally:
            self._guarded.discard(task)

    async def shield(self, work: Coroutine[Any, Any, Result], grace_seconds: float) -> Result:
        """Do the work to its end, whatever command arrives; a shutdown waits `grace_seconds` for it.

        Raises Interrupted when that was too short: the work then goes on, and its outcome is lost.
        """
        task = asyncio.ensure_future(work)
        task.add_done_callback(lambda _: self._announce())
        await self.until(lambda: task.done() or self._is_stopping)
        if not task.done():
            await asyncio.wait({task}, timeout=grace_seconds)
        if not task.done():
            raise Interrupted
        return task.result()

    def check(self) -> None:
        """Raise Interrupted unless work in hand may go on."""
        if not self.may_continue:
            raise Interrupted

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Mark that the current task, under `guard`, waits with nothing begun.

        Raises Interrupted at the end if the wait ended after such a command.
        """
        task = asyncio.current_task()
        assert task is not None, "only a task can wait"
        self.check()
        self._waiting.add(task)
        try:
            yield
        finally:
            self._waiting.discard(task)
        self.check()

    def _is_latest(self, number: int | None) -> bool:
        number = self.next_number if number is None else number
        is_latest = number > self._number
        self._number = max(number, self._number)
        return is_latest

    def _announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    @staticmethod
    def _cut(tasks: set[asyncio.Task[Any]]) -> None:
        for task in tuple(tasks):
            task.cancel()


def _is_cancelled_from_outside() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
