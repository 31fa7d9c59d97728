"""Generated candles: a random walk that needs no memory, the same on every machine and however it is paged."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

_OCTAVES = 15
_NOISE_BITS = 20
_UNITS = 10_000
_ROW = (
    '[%d,"%d.%04d0000","%d.%04d0000","%d.%04d0000","%d.%04d0000","%d.00000000",%d,'
    '"%d.%04d0000",%d,"%d.00000000","%d.%04d0000","0"]'
)


def generated_rows(symbol: str, first_ms: int, count: int, duration_ms: int, now_ms: int) -> list[str]:
    """The klines of `count` consecutive bars as JSON texts; a bar that ends after `now_ms` is forming.

    The price at any second is a sum of noises on ever coarser lattices, each interpolated between two hashed values, in
    whole ten-thousandths of a dollar: no bar needs the one before it, each opens where the last one closed, and there
    is no floating point to differ between machines.
    """
    seed = int.from_bytes(hashlib.blake2b(symbol.encode(), digest_size=8).digest(), "big")
    opens_ms = first_ms + duration_ms * np.arange(count, dtype=np.int64)
    ends_ms = np.minimum(opens_ms + duration_ms, max(now_ms, first_ms))
    base = 20 * _UNITS + seed % (500 * _UNITS)
    edges = _price(seed, base, np.concatenate([opens_ms, ends_ms]) // 1000)
    opening, closing = edges[:count], edges[count:]
    chance = [_hash(seed, stream + duration_ms, opens_ms).astype(np.int64) & 0xFFFF for stream in range(4)]
    high = np.maximum(opening, closing) + (base * chance[0] >> 24)
    low = np.minimum(opening, closing) - (base * chance[1] >> 24)
    volume = (100 + chance[2]) * (ends_ms - opens_ms) // duration_ms
    taker = volume * chance[3] >> 16
    middle = (opening + closing) // 2
    columns = [
        opens_ms, *divmod(opening, _UNITS), *divmod(high, _UNITS), *divmod(low, _UNITS), *divmod(closing, _UNITS),
        volume, opens_ms + duration_ms - 1, *divmod(volume * middle, _UNITS), volume // 7 + 1,
        taker, *divmod(taker * middle, _UNITS),
    ]  # fmt: skip
    return [_ROW % row for row in zip(*(column.tolist() for column in columns), strict=True)]


def _price(seed: int, base: int, seconds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Prices between 0.4 and 1.6 times the base; the swing of a lattice grows with the root of its period."""
    price = np.full(len(seconds), base, np.int64)
    for octave in range(_OCTAVES):
        period = 4**octave
        amplitude = (base * 6 // 10 << octave) // (2**_OCTAVES - 1)
        lattice, into = np.divmod(seconds, period)
        left, right = _noise(seed, octave, lattice), _noise(seed, octave, lattice + 1)
        price += amplitude * (left + (right - left) * into // period) >> _NOISE_BITS
    return price


def _noise(seed: int, octave: int, lattice: NDArray[np.int64]) -> NDArray[np.int64]:
    """Whole numbers spread evenly over [-2**20, 2**20)."""
    bits = _hash(seed, octave, lattice) >> np.uint64(63 - _NOISE_BITS)
    return bits.astype(np.int64) - np.int64(2**_NOISE_BITS)


def _hash(seed: int, stream: int, values: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Source: the finalizer of SplitMix64 (G. Steele, D. Lea, C. Flood, OOPSLA 2014)."""
    offset = (seed + (stream + 1) * 0x9E3779B97F4A7C15) % 2**64
    mixed = values.astype(np.uint64) * np.uint64(0xD1342543DE82EF95) + np.uint64(offset)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
