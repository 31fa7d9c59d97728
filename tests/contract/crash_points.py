"""Saves that are cut short at every single step: by a kill, or by a disk that refuses.

A step is the beginning or the end of a call of the operating system or SQLite.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

from domain.errors import RateLimitError, StorageError

CALLS = frozenset(
    {
        "open", "close", "read", "write", "flush", "fsync", "truncate", "ftruncate", "rename", "replace", "unlink",
        "remove", "mkdir", "dup", "flock", "lockf", "connect", "execute", "executemany", "commit", "cursor", "fetchone",
    }
)  # fmt: skip
"""Names of functions in C; Python tells of each call as it begins and as it returns."""

TAKE_ROOM = frozenset({"open", "write", "flush", "fsync", "replace", "mkdir"})


def kill_at_every_step(
    folder: Path,
    prepare: Callable[[Path], object],
    act: Callable[[Path], object],
    check: Callable[[Path], object],
) -> int:
    """Kill the act at its first step, its second, ... each time in a folder of its own; returns how many there are.

    A process is forked for the act; `check` looks at what it left behind.
    """
    for step in count(1):
        place = folder / str(step)
        place.mkdir(parents=True)
        prepare(place)
        child = os.fork()
        if child == 0:
            _act_until(step, lambda place=place: act(place))
        _, status = os.waitpid(child, 0)
        check(place)
        if not os.WIFSIGNALED(status):
            assert os.waitstatus_to_exitcode(status) == 0, "the act failed by itself"
            return step
    raise AssertionError("there is no last step")


def _act_until(step: int, act: Callable[[], object]) -> None:
    steps_left = step

    def watch(_frame: FrameType, event: str, called: Any) -> None:
        nonlocal steps_left
        if event in ("c_call", "c_return") and called.__name__ in CALLS:
            steps_left -= 1
            if steps_left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    exit_code = 1
    try:
        sys.setprofile(watch)
        act()
        exit_code = 0
    finally:
        sys.setprofile(None)
        os._exit(exit_code)


def refuse_every_step(
    folder: Path,
    prepare: Callable[[Path], object],
    act: Callable[[Path], object],
    check: Callable[[Path], object],
) -> int:
    """The same with a disk that has no room at one step, and at all others; the act may raise StorageErrors only."""
    for step in count(1):
        place = folder / str(step)
        place.mkdir(parents=True)
        prepare(place)
        refusal = _Refusal(step)
        said = refusal.text
        sys.setprofile(refusal.watch)
        try:
            act(place)
        except (StorageError, RateLimitError) as error:
            said = str(error)
        finally:
            sys.setprofile(None)
        assert refusal.text in said
        check(place)
        if refusal.calls_left > 0:
            return step
    raise AssertionError("there is no last step")


class _Refusal:
    """The operating system says ENOSPC to one call that takes room."""

    text = os.strerror(errno.ENOSPC)

    def __init__(self, call: int) -> None:
        self.calls_left = call

    def watch(self, frame: FrameType, event: str, called: Any) -> None:
        if event != "c_call" or called.__name__ not in TAKE_ROOM or frame.f_locals.get("mode") in ("r", "rb"):
            return
        if called.__module__ in ("posix", "io", "_io") or isinstance(called.__self__, io.IOBase):
            self.calls_left -= 1
            if self.calls_left == 0:
                raise OSError(errno.ENOSPC, self.text)
