"""Runners: which process runs which job, and the cluster in which its coordinator can be found."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from domain.errors import StorageUnavailable


@dataclass(frozen=True, slots=True)
class Runner:
    """A process that runs a job, and the address of the Ray cluster where it does."""

    address: str
    process_id: int


class RunnerClaim(AbstractContextManager["RunnerClaim"]):
    """The right of this process to run a job; let go with the process at the latest."""

    def __init__(self, lock: FileLock, path: Path) -> None:
        self._lock, self._path = lock, path

    def announce(self, address: str) -> None:
        """Tell other processes where the job runs. Raises StorageUnavailable."""
        temporary = self._path.with_suffix(f".{os.getpid()}")
        with _storage_errors(self._path):
            temporary.write_text(json.dumps(asdict(Runner(address, os.getpid()))))
            temporary.replace(self._path)

    def release(self) -> None:
        """The job runs no more."""
        self._path.unlink(missing_ok=True)
        self._lock.release()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class Runners:
    """The runners of the jobs in one store, as files beside it: a lock that dies with its process, and an address."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def claim(self, job_id: str) -> RunnerClaim | None:
        """Become the one that runs the job; None when another process does. Raises StorageUnavailable."""
        path = self._folder / f"{job_id}.json"
        with _storage_errors(path):
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self._folder / f"{job_id}.lock", timeout=0)
            try:
                lock.acquire()
            except Timeout:
                return None
            path.unlink(missing_ok=True)
        return RunnerClaim(lock, path)

    def find(self, job_id: str) -> Runner | None:
        """Who runs the job; None when nobody does, or does not say yet where."""
        claim = self.claim(job_id)
        if claim is not None:
            claim.release()
            return None
        try:
            return Runner(**json.loads((self._folder / f"{job_id}.json").read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None


@contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(str(path), error.strerror or str(error)) from error
