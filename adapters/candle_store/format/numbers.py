"""Floats as whole numbers and back: scaled by their decimals, with the difference in bits, or as bit patterns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapters.candle_store.format.integers import Integers, NarrowIntegers

MOST_DECIMALS = 18
EXACT_LIMIT = 2.0**53
"""The largest whole number up to which a float holds every one: a quotient of two such is rounded once."""
_SAMPLE = 256
_TOO_MANY_MISSES = 0.02

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """Floats as whole numbers: `integers / 10**decimals`, plus `misses` in bits where that gives another float.

    Without `misses` every one is exact. Without `decimals` the integers are the floats' own bit patterns.
    """

    integers: Integers
    decimals: int | None
    misses: Integers | None = None

    @classmethod
    def of(cls, floats: Floats) -> Numbers:
        """The floats in the scale that costs the fewest bits; it is looked for in a sample first."""
        sample = np.ascontiguousarray(floats[:: max(1, len(floats) // _SAMPLE)])
        numbers = cls._in_scale(floats, _cheapest(sample))
        if numbers.misses is None or np.count_nonzero(numbers.misses) <= _TOO_MANY_MISSES * len(floats):
            return numbers
        return cls._in_scale(floats, _cheapest(floats))

    @classmethod
    def _in_scale(cls, floats: Floats, decimals: int | None) -> Numbers:
        if decimals is None:
            return cls(floats.view(np.int64), None)
        integers = rounded(floats, decimals)
        near = _divided(integers, decimals, np.empty(len(floats))).view(np.int64)
        patterns = floats.view(np.int64)
        return cls(integers, decimals, None if np.array_equal(near, patterns) else patterns - near)

    def split(self, parts: int) -> list[Numbers]:
        """So many parts of one length, in the same scale."""
        integers = np.split(self.integers, parts)
        misses = [None] * parts if self.misses is None else np.split(self.misses, parts)
        return [Numbers(one, self.decimals, missed) for one, missed in zip(integers, misses, strict=True)]


def write_floats(integers: NarrowIntegers, decimals: int | None, misses: NarrowIntegers | None, into: Floats) -> None:
    """The floats that these numbers stand for; ValueError for decimals that there are not."""
    patterns = into.view(np.int64)
    if decimals is None:
        patterns[:] = integers
        return
    if not 0 <= decimals <= MOST_DECIMALS:
        raise ValueError(f"{decimals} is no number of decimals")
    _divided(integers, decimals, into)
    if misses is not None:
        patterns += misses


def rounded(floats: Floats, decimals: int) -> Integers:
    """The nearest whole number to each float times 10**decimals, half to even; 0 where there is no exact one."""
    numbers = np.empty(len(floats), np.int64)
    round_into(numbers, floats.copy(), decimals)
    return numbers


def round_into(integers: Integers, floats: Floats, decimals: int) -> None:
    """The same into an array that is there; the floats are used up."""
    with np.errstate(invalid="ignore", over="ignore"):
        floats *= 10.0**decimals
        np.rint(floats, out=floats)
        if not (floats.max(initial=0.0) <= EXACT_LIMIT and floats.min(initial=0.0) >= -EXACT_LIMIT):
            floats[~(np.abs(floats) <= EXACT_LIMIT)] = 0.0
        np.copyto(integers, floats, casting="unsafe")


def bit_cost(integers: Integers) -> float:
    """About how many bits it takes to write the numbers down."""
    magnitudes = np.log2(np.abs(integers.astype(np.float64)) + 1).sum()
    return float(magnitudes) + (len(integers) if bool((integers < 0).any()) else 0)


def _divided(integers: NarrowIntegers, decimals: int, into: Floats) -> Floats:
    """It has to be a division: 10**-d is no float, and multiplying by it is wrong."""
    return np.divide(integers, 10.0**decimals, out=into, dtype=np.float64)


def _cheapest(floats: Floats) -> int | None:
    """The decimals that cost least, a bit pattern's miss included; None: nothing is cheaper than the patterns."""
    best, least_bits = None, bit_cost(floats.view(np.int64))
    for decimals in range(MOST_DECIMALS + 1):
        integers = rounded(floats, decimals)
        misses = floats.view(np.int64) - _divided(integers, decimals, np.empty(len(floats))).view(np.int64)
        bits = bit_cost(integers) + bit_cost(misses)
        if bits < least_bits:
            best, least_bits = decimals, bits
        if not misses.any():
            break
    return best
