"""Signals while Ray starts: they wait until it has, and afterwards belong to whom they belonged to before."""

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
"""What is held back in the processes that are started just now; None: what is in this one."""


@contextmanager
def signals_kept() -> Iterator[None]:
    """SIGTERM and SIGHUP come after the block, to the handlers of before it; without one they leave as shells expect.

    While Ray starts it puts a handler of its own in place, in Python, and later one in C++ that writes its stack to
    the terminal. Threads of before the block should have the signals blocked, or Ray's handlers are run by them.
    The processes that are started in it take SIGTERM as ever, but no SIGHUP, as Ray has them take no Ctrl-C: a
    closed terminal tells all of its processes, and the driver is to end them in order.
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
    """Joining a cluster that dies in that very moment never returns: then a signal must not need SIGKILL."""
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
    # Through Python's own end, so that a cluster that this process started ends with it.
    sys.exit(128 + number)


os.register_at_fork(after_in_child=_set_mask_of_child)
