"""Whole numbers as bytes: zigzag, cut into byte planes, each plane compressed for itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

Integers = NDArray[np.int64]

LEVEL = 1
_MOST_PLANES = 8


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


def unpack_integers(planes: Sequence[Any], rows: int) -> Integers:
    """What `pack_integers` was given; ValueError for what it cannot have made."""
    if len(planes) > _MOST_PLANES:
        raise ValueError(f"a number has at most {_MOST_PLANES} bytes, not {len(planes)}")
    # As narrow as it goes until the last step, and in place: most columns have one or two planes.
    width = next(width for width in (1, 2, 4, 8) if len(planes) <= width)
    decompressor = zstandard.ZstdDecompressor()
    zigzag = np.zeros(rows, f"<u{width}")
    for number, plane in enumerate(planes):
        octets = np.asarray(_unpack_plane(plane, rows, decompressor)).astype(zigzag.dtype)
        zigzag |= octets << 8 * number
    signs = zigzag & 1
    np.negative(signs, out=signs)
    zigzag >>= 1
    zigzag ^= signs
    return zigzag.view(f"<i{width}").astype(np.int64)


def _pack_plane(octets: NDArray[np.uint8], compressor: zstandard.ZstdCompressor) -> int | bytes:
    first = int(octets[0])
    if bool((octets == first).all()):
        return first
    raw = octets.tobytes()
    frame = compressor.compress(raw)
    return frame if len(frame) < len(raw) else raw


def _unpack_plane(plane: Any, rows: int, decompressor: zstandard.ZstdDecompressor) -> int | NDArray[np.uint8]:
    if isinstance(plane, int):
        return plane
    if len(plane) != rows:
        # The frame's own word on its size is checked first: the decompressor would believe it.
        if zstandard.frame_content_size(plane) != rows:
            raise ValueError(f"a plane is not of {rows} bytes")
        plane = decompressor.decompress(plane, max_output_size=rows)
    return np.frombuffer(plane, np.uint8, rows)
