"""Signals while Ray starts: they are held back until it has, and then reach the handlers of before."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGHUP)
STUCK_SECONDS = 20.0
"""Ray starts within six seconds, on a busy machine within fifteen."""
_of_children: set[int] | None = None
"""The signals blocked in processes that are started now; None: the same as in this process."""


@contextmanager
def signals_kept() -> Iterator[None]:
    """Deliver SIGTERM and SIGHUP after the block, to the handlers of before it; without one, exit as shells expect.

    While Ray starts it installs a handler of its own in Python, and later one in C++ that writes its stack to the
    terminal. Threads of before the block should have the signals blocked, or they run Ray's handlers. The processes
    started in the block receive SIGTERM but not SIGHUP, just as Ray keeps Ctrl-C from them: a closed terminal signals
    all of its processes, and the driver ends them in order.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.getsignal(number) for number in ENDING}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        with _given_to_children({*before, signal.SIGHUP} - {signal.SIGTERM}), _ended_if_stuck():
            yield
    finally:
        for number, handler in handlers.items():
            # None is a handler that is not Python's, so that Python cannot put it back.
            signal.signal(number, _leave if handler in (signal.SIG_DFL, None) else handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _ended_if_stuck() -> Iterator[None]:
    """End the process on a signal that stays pending: joining a cluster that dies just then never returns."""
    is_over = threading.Event()

    def watch() -> None:
        is_pending_since = time.monotonic()
        while not is_over.wait(STUCK_SECONDS / 50):
            pending = signal.sigpending() & set(ENDING)
            if not pending:
                is_pending_since = time.monotonic()
            elif time.monotonic() - is_pending_since > STUCK_SECONDS:
                os._exit(128 + min(pending))

    watcher = threading.Thread(target=watch, name="signals", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


@contextmanager
def _given_to_children(mask: set[int]) -> Iterator[None]:
    global _of_children
    _of_children = mask
    try:
        yield
    finally:
        _of_children = None


def _set_mask_of_child() -> None:
    if _of_children is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, _of_children)


def _leave(number: int, frame: FrameType | None) -> None:
    # Through Python's own exit, so that a cluster that this process started ends with it.
    sys.exit(128 + number)


os.register_at_fork(after_in_child=_set_mask_of_child)
