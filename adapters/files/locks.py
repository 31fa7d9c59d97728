"""Locks that die with their process, and how to look at one without getting in anybody's way."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from adapters.files.atomic import storage_errors
from domain.errors import StorageUnavailable

LOOK_SECONDS = 0.2
"""A lock that is taken for longer than this is held, and not merely looked at."""
_POLL_SECONDS = 0.005


def take_lock(path: Path, patience_seconds: float = 0.0) -> FileLock | None:
    """The lock, held exclusively until its `release`; None when another has it for longer than that.

    Two holders in one process exclude each other as two processes do, and any thread may release it.
    Raises StorageUnavailable.
    """
    lock = FileLock(path, timeout=patience_seconds, poll_interval=_POLL_SECONDS, thread_local=False)
    with storage_errors(path):
        try:
            lock.acquire()
        except Timeout:
            return None
    return lock


@contextmanager
def locked(path: Path, patience_seconds: float, refusal: str) -> Iterator[None]:
    """Holds the lock for the block; StorageUnavailable with this refusal when another has it for longer."""
    lock = take_lock(path, patience_seconds)
    if lock is None:
        raise StorageUnavailable(str(path.parent), refusal)
    try:
        yield
    finally:
        lock.release()


def is_held(path: Path) -> bool:
    """Whether a process holds the lock file exclusively, told by sharing it for an instant.

    Lookers do not exclude each other; who takes the lock has to try for `LOOK_SECONDS`. A file that is
    not there is held by nobody. Raises OSError.
    """
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
