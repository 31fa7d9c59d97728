"""ObjectParts: the beginning of an object, read part by part like a file."""

from __future__ import annotations

from adapters.candle_store.objects.base import ObjectStore, StoredObject, VersionConflict


class ObjectParts:
    """Reads an object from its beginning, of which a first part is there already; asks for more where that ends."""

    def __init__(self, objects: ObjectStore, key: str, first: StoredObject) -> None:
        self._objects, self._key, self._first = objects, key, first
        self._content, self._at = first.content, 0

    def read(self, length: int = -1, /) -> bytes:
        """The next `length` bytes, all that are left without one; fewer only at the end.

        Raises VersionConflict when the object was replaced meanwhile: begin anew.
        """
        end = self._first.size if length < 0 else min(self._at + length, self._first.size)
        there = len(self._content)
        if end > there:
            more = self._objects.get_range(self._key, there, end - there)
            if more is None or more.version != self._first.version:
                raise VersionConflict(self._key)
            self._content += more.content
        part, self._at = self._content[self._at : end], end
        return part
