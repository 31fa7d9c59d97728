"""LocalObjects: objects as files of a folder; each is replaced whole, under the lock of the folder it lies in."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from adapters.candle_store.objects.base import (
    StoredObject,
    Version,
    VersionConflict,
    check_key,
    check_prefix,
    is_name,
)
from adapters.files.atomic import TEMPORARY_SUFFIX, make_folder, replacing, storage_errors, sync_folder
from adapters.files.locks import locked
from domain.errors import StorageUnavailable

LOCK_NAME = ".lock"
_NO_SUCH_OBJECT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class LocalObjects:
    """The objects under a folder; implements `ObjectStore`. Picklable, holds nothing open.

    A key is a path below the folder. A version is the file's time of writing to the nanosecond, its inode and its
    size. A write takes a later time than the file that it replaces, however coarse the clock, so that a version
    cannot come back although inodes do.
    """

    def __init__(self, root: Path, lock_timeout_seconds: float = 60.0) -> None:
        self.root = root
        self.lock_timeout_seconds = lock_timeout_seconds

    def get(self, key: str) -> StoredObject | None:
        """The object; None when there is none."""
        return self._read(key)

    def get_range(self, key: str, start: int, length: int) -> StoredObject | None:
        """At most `length` bytes from `start` on; None when there is no such object."""
        return self._read(key, start, length)

    def put_if(self, key: str, content: bytes, version: Version | None) -> Version:
        """Put the content in place of that version; what killed writers left in its folder goes on the way."""
        path = self._path(key)
        with self.locked(key), storage_errors(path):
            before = _status(path)
            if version != (before and _version(before)):
                raise VersionConflict(key)
            _sweep(path.parent)
            with replacing(path) as file:
                file.write(content)
                file.flush()
                _date(file, before)
                written = _version(os.fstat(file.fileno()))
        return written

    def list(self, prefix: str = "") -> list[str]:
        """The keys that begin so, sorted."""
        check_prefix(prefix)
        folder, slash, _ = prefix.rpartition("/")
        with storage_errors(self.root / folder):
            return sorted(key for key in _keys(self.root / folder, folder + slash) if key.startswith(prefix))

    def delete(self, key: str) -> None:
        """Let there be no such object."""
        path = self._path(key)
        with storage_errors(path):
            if _status(path) is None:
                return
        with self.locked(key), storage_errors(path):
            path.unlink(missing_ok=True)
            sync_folder(path.parent)

    def locked(self, key: str) -> AbstractContextManager[None]:
        """Keeps others from writing in the folder of the key, which it makes; not to be taken twice."""
        folder = self._path(key).parent
        make_folder(folder)
        refusal = f"another writer has held it for {self.lock_timeout_seconds:g} s"
        return locked(folder / LOCK_NAME, self.lock_timeout_seconds, refusal)

    def _read(self, key: str, start: int = 0, length: int | None = None) -> StoredObject | None:
        path = self._path(key)
        try:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                found = os.fstat(descriptor)
                left = max(0, found.st_size - start)
                wanted = left if length is None else min(length, left)
                content = os.pread(descriptor, wanted, start)
            finally:
                os.close(descriptor)
        except _NO_SUCH_OBJECT:
            return None
        except OSError as error:
            raise StorageUnavailable(str(path), error.strerror or str(error)) from error
        if len(content) < wanted:
            raise StorageUnavailable(str(path), f"only {len(content)} of {wanted} bytes could be read")
        return StoredObject(content, _version(found), found.st_size)

    def _path(self, key: str) -> Path:
        check_key(key)
        return self.root / key


def _status(path: Path) -> os.stat_result | None:
    try:
        status = path.stat()
    except _NO_SUCH_OBJECT:
        return None
    return None if stat.S_ISDIR(status.st_mode) else status


def _version(status: os.stat_result) -> Version:
    return Version(f"{status.st_mtime_ns}-{status.st_ino}-{status.st_size}")


def _date(file: BinaryIO, before: os.stat_result | None) -> None:
    """Give the file a time later than that of its predecessor, whatever the clock says."""
    written_ns = max(time.time_ns(), before.st_mtime_ns + 1 if before else 0)
    os.utime(file.fileno(), ns=(written_ns, written_ns))


def _sweep(folder: Path) -> None:
    """Remove what killed writers left; under the folder's lock nobody else writes."""
    for left_over in folder.glob(f"*{TEMPORARY_SUFFIX}"):
        left_over.unlink(missing_ok=True)


def _keys(folder: Path, prefix: str) -> Iterator[str]:
    try:
        entries = list(os.scandir(folder))
    except _NO_SUCH_OBJECT:
        return
    for entry in entries:
        if not is_name(entry.name):
            continue
        if entry.is_dir():
            yield from _keys(folder / entry.name, f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}"
