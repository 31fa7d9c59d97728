"""Locks that die with their process, and how to look at one without getting in anybody's way."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

LOOK_SECONDS = 0.2
"""A lock that is taken for longer than this is held, and not merely looked at."""


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
