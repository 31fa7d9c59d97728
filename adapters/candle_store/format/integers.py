"""Whole numbers as bytes: zigzag, cut into byte planes, each plane compressed for itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import zstandard
from numpy.typing import NDArray

from adapters.candle_store.format.scratch import Scratch

Integers = NDArray[np.int64]
NarrowIntegers: TypeAlias = NDArray[np.signedinteger[Any]]
"""Whole numbers in as many bytes as they need: a sum of two of them may need more."""

LEVEL = 1
_WIDTHS = [np.dtype(f"<u{octets}") for octets in (1, 1, 2, 4, 4, 8, 8, 8, 8)]
"""The narrowest type for so many planes: arithmetic on narrow numbers is the faster one."""


def pack_integers(values: Integers) -> list[int | bytes]:
    """The planes from the lowest byte up; the ones that are zero throughout at the top are left out.

    A plane of one value is that number; else it is a zstd frame, or the bytes themselves where no frame
    is shorter. High planes are nearly constant and low ones nearly random: each has its own statistics.
    """
    if not len(values):
        return []
    zigzag = ((values << 1) ^ (values >> 63)).view(np.uint64)
    width = (int(zigzag.max()).bit_length() + 7) // 8
    octets = zigzag.astype("<u8", copy=False).view(np.uint8).reshape(-1, 8)
    compressor = zstandard.ZstdCompressor(level=LEVEL)
    return [_pack_plane(octets[:, number], compressor) for number in range(width)]


def unpack_integers(planes: Sequence[Any], rows: int, scratch: Scratch, name: str) -> NarrowIntegers:
    """What `pack_integers` was given; the numbers lie in the scratch under that name.

    ValueError, TypeError, OverflowError or ZstdError for what it cannot have made.
    """
    if len(planes) >= len(_WIDTHS):
        raise ValueError(f"a number has at most 8 bytes, not {len(planes)}")
    width = _WIDTHS[len(planes)]
    zigzag, octets = scratch.array(name, rows, width), scratch.array("octets", rows, width)
    zigzag[:] = _unpack_plane(planes[0], rows, scratch.decompressor) if planes else 0
    for number, plane in enumerate(planes[1:], start=1):
        octets[:] = _unpack_plane(plane, rows, scratch.decompressor)
        octets <<= 8 * number
        zigzag |= octets
    signs = np.bitwise_and(zigzag, 1, out=octets)
    np.negative(signs, out=signs)
    zigzag >>= 1
    zigzag ^= signs
    return zigzag.view(f"<i{width.itemsize}")


def _pack_plane(octets: NDArray[np.uint8], compressor: zstandard.ZstdCompressor) -> int | bytes:
    first = int(octets[0])
    if bool((octets == first).all()):
        return first
    raw = octets.tobytes()
    frame = compressor.compress(raw)
    return frame if len(frame) < len(raw) else raw


def _unpack_plane(plane: Any, rows: int, decompressor: zstandard.ZstdDecompressor) -> int | NDArray[np.uint8]:
    if isinstance(plane, int):
        if not 0 <= plane <= 0xFF:
            raise ValueError(f"{plane} is no byte")
        return plane
    if len(plane) != rows:
        # The size that the frame states is checked first: the decompressor would trust it.
        if zstandard.frame_content_size(plane) != rows:
            raise ValueError(f"a plane is not of {rows} bytes")
        plane = decompressor.decompress(plane, max_output_size=rows)
    return np.frombuffer(plane, np.uint8, rows)
