"""InMemoryObjects: an object store in plain state, whose conditional writes may fail like those of a remote one."""

from __future__ import annotations

import random
from itertools import count
from threading import Lock

from adapters.candle_store.objects.base import StoredObject, Version, VersionConflict, check_key, check_prefix
from domain.errors import StorageUnavailable


class InMemoryObjects:
    """Objects in plain state; implements `ObjectStore`. Any number of threads may use it.

    A share of the conditional writes fails, chosen by `seed`, in three ways: refused for a conflict that does not
    exist, unavailable before the write, and unavailable after it (the answer was lost).
    """

    def __init__(self, seed: int = 0, share_of_failures: float = 0.0) -> None:
        self._objects: dict[str, tuple[bytes, Version]] = {}
        self._chance, self._share_of_failures = random.Random(seed), share_of_failures
        self._versions = count(1)
        self._lock = Lock()

    def get(self, key: str) -> StoredObject | None:
        """The object; None when there is none."""
        check_key(key)
        with self._lock:
            content, version = self._objects.get(key, (None, None))
        return None if content is None or version is None else StoredObject(content, version, len(content))

    def get_range(self, key: str, start: int, length: int) -> StoredObject | None:
        """At most `length` bytes from `start` on; None when there is no such object."""
        found = self.get(key)
        return found and StoredObject(found.content[start : start + length], found.version, found.size)

    def put_if(self, key: str, content: bytes, version: Version | None) -> Version:
        """Replace that version with the content, unless this is one of the writes that fail."""
        check_key(key)
        with self._lock:
            fails = self._chance.random() < self._share_of_failures
            failure = self._chance.choice(("conflict", "before", "after")) if fails else ""
            _, present = self._objects.get(key, (None, None))
            if failure == "conflict" or present != version:
                raise VersionConflict(key)
            if failure == "before":
                raise StorageUnavailable(key, "it could not be reached")
            written = Version(str(next(self._versions)))
            self._objects[key] = (bytes(content), written)
            if failure == "after":
                raise StorageUnavailable(key, "its answer was lost")
            return written

    def list(self, prefix: str = "") -> list[str]:
        """The keys that begin with `prefix`, sorted."""
        check_prefix(prefix)
        with self._lock:
            return sorted(key for key in self._objects if key.startswith(prefix))

    def delete(self, key: str) -> None:
        """Delete the object, if there is one."""
        check_key(key)
        with self._lock:
            self._objects.pop(key, None)
