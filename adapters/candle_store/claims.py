"""DatasetClaim: the right to collect one dataset, held by a lock file that dies with its process."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Self

from filelock import FileLock

from adapters.files.atomic import make_folder
from adapters.files.locks import take_lock


class DatasetClaim:
    """One collector at a time over all processes that see the folder; see the port CollectingClaim.

    `try_take` raises StorageUnavailable when the folder cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: FileLock | None = None
        self._guard = Lock()
        self._is_over = False

    def try_take(self) -> bool:
        """Take the right if nobody has it; never waits."""
        make_folder(self._path.parent)
        with self._guard:
            if self._lock is None and not self._is_over:
                self._lock = take_lock(self._path)
            return self._lock is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._guard:
            self._is_over = True
            if self._lock is not None:
                self._lock.release()
                self._lock = None
