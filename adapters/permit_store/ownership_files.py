"""AccountOwnershipFiles: which process has which broker account, as files beside its record: a lock, and a name."""

from __future__ import annotations

import json
import time
from pathlib import Path
from urllib.parse import quote

from filelock import FileLock

from adapters.files.atomic import make_folder, storage_errors
from adapters.files.locks import is_held, take_lock

LOCK_PATIENCE_SECONDS = 2.0
"""The limiter of a driver that was killed holds its account for 1.4 s longer: Ray takes as long to notice."""
NAMELESS = "another process"
"""The holder of a lock beside which no name can be read."""


class AccountOwnershipFile:
    """The ownership of one account by this process; implements `domain.limits.ports.AccountOwnership`."""

    def __init__(self, lock: FileLock, holder_path: Path) -> None:
        self._lock, self._holder_path = lock, holder_path

    def release(self) -> None:
        """Let another process have the account; idempotent."""
        if self._lock.is_locked:
            try:
                with storage_errors(self._holder_path):
                    self._holder_path.unlink(missing_ok=True)
            finally:
                self._lock.release()


class AccountOwnershipFiles:
    """The owners of the accounts whose records lie in `folder`; implements `domain.limits.ports.AccountOwners`."""

    def __init__(self, folder: Path, patience_seconds: float = LOCK_PATIENCE_SECONDS) -> None:
        self._folder, self._patience_seconds = folder, patience_seconds

    def claim(self, broker: str, account: str, holder: str) -> AccountOwnershipFile | None:
        """Have the account, under that name; None when another process has it for longer than a killed one could."""
        make_folder(self._folder)
        lock = take_lock(self._path(broker, account, "lock"), self._patience_seconds)
        if lock is None:
            return None
        ownership = AccountOwnershipFile(lock, holder_path := self._path(broker, account, "holder"))
        try:
            with storage_errors(holder_path):
                holder_path.write_text(json.dumps({"holder": holder, "since": time.time()}))
        except BaseException:
            ownership.release()
            raise
        return ownership

    def find(self, broker: str, account: str) -> str | None:
        """The name of who has the account; None when nobody has."""
        lock_path = self._path(broker, account, "lock")
        with storage_errors(lock_path):
            if not is_held(lock_path):
                return None
        try:
            return str(json.loads(self._path(broker, account, "holder").read_text())["holder"])
        except (OSError, ValueError, LookupError, TypeError):
            return NAMELESS

    def _path(self, broker: str, account: str, suffix: str) -> Path:
        return self._folder / f"{name_of(broker, account)}.{suffix}"


def name_of(broker: str, account: str) -> str:
    """What the names of an account's files begin with; the sign between the two is one that `quote` never leaves."""
    return f"{quote(broker, safe='')}@{quote(account, safe='')}"
