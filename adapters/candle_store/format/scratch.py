"""Scratch: memory for numbers on their way, used again and again."""

from __future__ import annotations

from typing import Any

import numpy as np
import zstandard
from numpy.typing import DTypeLike, NDArray


class Scratch:
    """Arrays by name, kept from one column to the next and from one file to the next; for one thread.

    Fresh memory comes from the system page by page, which takes as long as the arithmetic done in it.
    """

    def __init__(self) -> None:
        self._octets: dict[str, NDArray[np.uint8]] = {}
        self.decompressor = zstandard.ZstdDecompressor()

    def array(self, name: str, rows: int, dtype: DTypeLike) -> NDArray[Any]:
        """The array of that name, with anything in it; it is good until the name is asked for again."""
        size = rows * np.dtype(dtype).itemsize
        octets = self._octets.get(name)
        if octets is None or len(octets) < size:
            octets = self._octets[name] = np.empty(size, np.uint8)
        return octets[:size].view(dtype)
