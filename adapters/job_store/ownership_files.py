"""OwnershipFiles: which process runs which job, as files beside the store: a lock, and an address."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock

from adapters.files.atomic import make_folder, storage_errors
from adapters.files.locks import LOOK_SECONDS, is_held, take_lock
from domain.jobs.ports import JobOwner


class OwnershipFile:
    """The ownership of one job by this process; implements `domain.jobs.ports.JobOwnership`."""

    def __init__(self, lock: FileLock, path: Path) -> None:
        self._lock, self._path = lock, path

    def announce(self, address: str) -> None:
        """Tell other processes where the job runs."""
        temporary = self._path.with_suffix(f".{os.getpid()}")
        with storage_errors(self._path):
            temporary.write_text(json.dumps(asdict(JobOwner(address, os.getpid()))))
            temporary.replace(self._path)

    def release(self) -> None:
        """Let another process run the job."""
        self._path.unlink(missing_ok=True)
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class OwnershipFiles:
    """The owners of the jobs in one store; implements `domain.jobs.ports.JobOwners`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def claim(self, job_id: str) -> OwnershipFile | None:
        """Own the job; None when another process does."""
        path = self._folder / f"{job_id}.json"
        make_folder(self._folder)
        # A process that only looks shares the lock for an instant.
        lock = take_lock(self._folder / f"{job_id}.lock", LOOK_SECONDS)
        if lock is None:
            return None
        with storage_errors(path):
            path.unlink(missing_ok=True)
        return OwnershipFile(lock, path)

    def find(self, job_id: str) -> JobOwner | None:
        """The job's owner; None without one, or while the owner has not announced its address."""
        path = self._folder / f"{job_id}.json"
        if not self.is_owned(job_id):
            return None
        with storage_errors(path):
            try:
                return JobOwner(**json.loads(path.read_text()))
            except (FileNotFoundError, ValueError, TypeError):
                return None

    def is_owned(self, job_id: str) -> bool:
        """Whether a process holds the job's lock."""
        lock = self._folder / f"{job_id}.lock"
        with storage_errors(lock):
            return is_held(lock)
