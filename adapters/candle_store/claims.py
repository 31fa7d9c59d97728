"""DatasetClaim: the right to collect one dataset, held by a lock file that dies with its process."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Self

from filelock import FileLock, Timeout

from adapters.files.atomic import make_folder, storage_errors


class DatasetClaim:
    """One collector at a time over all processes that see the folder; see the port CollectingClaim.

    `try_take` raises StorageUnavailable when the folder cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # Taken in one thread and released in another; two claims in one process exclude each other, too.
        self._lock = FileLock(path, thread_local=False)
        self._guard = Lock()
        self._is_over = False

    def try_take(self) -> bool:
        """Take the right if nobody has it; never waits."""
        make_folder(self._path.parent)
        with self._guard, storage_errors(self._path):
            if self._is_over:
                return False
            try:
                self._lock.acquire(blocking=False)
            except Timeout:
                return False
            return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._guard:
            self._is_over = True
            self._lock.release(force=True)
