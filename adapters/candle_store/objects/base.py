"""ObjectStore: the port between candles and whatever keeps them, a disk or an object store."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NewType, Protocol

Version = NewType("Version", str)
"""Which of the contents that a key ever had. Opaque: it can be compared with another of the same key, nothing else."""


_PART = r"(?!\.)[^/\0]+(?<!\.tmp)"
_NAME, _KEY = re.compile(_PART), re.compile(f"(?:{_PART}/)*{_PART}")


class VersionConflict(Exception):
    """A conditional write did not find the version that it was to replace; it changed nothing."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return f"{self.key} is not in the version that was to be replaced: read it again"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What was read of an object: `content` is all of it, or a part; `size` is that of all of it."""

    content: bytes
    version: Version
    size: int


class ObjectStore(Protocol):
    """Whole objects under keys. A reader needs no lock: it finds an old content or a new one, never a mixture.

    A key is a path like "binance/1m/raw/BTCUSDT/2024-03.candles"; see `check_key`. What one method has changed,
    every method of every process sees once it has returned. Every method raises StorageUnavailable.
    """

    def get(self, key: str) -> StoredObject | None:
        """The object; None when there is none."""

    def get_range(self, key: str, start: int, length: int) -> StoredObject | None:
        """At most `length` bytes from `start` on: fewer, or none, where the object ends before; None without one.

        Parts belong together only where their versions are equal.
        """

    def put_if(self, key: str, content: bytes, version: Version | None) -> Version:
        """Put the content in place of that version, None standing for no object; durable when this returns.

        Raises VersionConflict when that version is not there, and now and then when it is (a store that is busy
        with another write says so): nothing was written, so read again. After StorageUnavailable the object is
        the old one or the new one: read it to know which.
        """

    def list(self, prefix: str = "") -> list[str]:
        """The keys that begin so, sorted."""

    def delete(self, key: str) -> None:
        """Let there be no such object, whatever its version; durable when this returns. Idempotent."""


def check_key(key: str) -> None:
    """Raise ValueError for what is no key.

    The parts of one are not empty, do not begin with a dot and do not end in ".tmp": such names are the stores' own.
    No key is the folder of another.
    """
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key!r} is no key of an object")


def check_prefix(prefix: str) -> None:
    """Raise ValueError for what no key begins with; what follows the last slash may be anything."""
    folder, slash, _ = prefix.rpartition("/")
    if slash:
        check_key(folder)


def is_name(part: str) -> bool:
    """Whether a key may have that part."""
    return bool(_NAME.fullmatch(part))
