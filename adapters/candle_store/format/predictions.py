"""Predictions: what a number of a candle is compared with, so that little is left to store.

All arithmetic on whole numbers wraps at 64 bits; all on floats is IEEE 754 double, in the order given
here: the same on every machine, so that decoding adds exactly what encoding took away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from adapters.candle_store.format.integers import Integers, NarrowIntegers
from adapters.candle_store.format.numbers import Floats, bit_cost, round_into
from adapters.candle_store.format.scratch import Scratch
from domain.candles.candles import PRICE_COLUMNS, Column

Product: TypeAlias = Sequence[Sequence[str]]
Prediction: TypeAlias = str | Product
"""The name of a rule, or columns whose product, divided by others, comes near."""

VALUE, PREVIOUS = "value", "previous"
MEAN_PRICE = "ohlc4"
_SAMPLE = 1024

_PRODUCTS: dict[str, tuple[Product, ...]] = {
    "quote_volume": ((["volume", MEAN_PRICE], []),),
    "taker_buy_quote_volume": ((["taker_buy_base_volume", "quote_volume"], ["volume"]),),
    "vwap": ((["quote_volume"], ["volume"]), ([MEAN_PRICE], [])),
}


@dataclass(frozen=True, slots=True, eq=False)
class CandleDeltas:
    """What is left of four prices in one scale when each is predicted from one already known.

    A bar opens where the last one closed, its high is at or above open and close, its low at or below.
    """

    open: NarrowIntegers
    high: NarrowIntegers
    low: NarrowIntegers
    close: NarrowIntegers

    @classmethod
    def between(cls, open: Integers, high: Integers, low: Integers, close: Integers) -> CandleDeltas:
        """From the prices: open - previous close, high - max(open, close), min(open, close) - low, close - open."""
        previous = np.concatenate([np.zeros(1, np.int64), close[:-1]])[: len(close)]
        return cls(open - previous, high - np.maximum(open, close), np.minimum(open, close) - low, close - open)

    def prices(self, scratch: Scratch) -> Iterator[Integers]:
        """Open, high, low and close again, in this order; each is good until the next one is asked for."""
        opens, closes, extremes = (
            scratch.array(name, len(self.open), np.int64) for name in ("opens", "closes", "extremes")
        )
        np.add(self.open, self.close, out=closes, dtype=np.int64)
        np.cumsum(closes, out=closes)
        yield np.subtract(closes, self.close, out=opens)
        np.maximum(opens, closes, out=extremes)
        yield np.add(extremes, self.high, out=extremes)
        np.minimum(opens, closes, out=extremes)
        yield np.subtract(extremes, self.low, out=extremes)
        yield closes


def choose(
    name: str, integers: Integers, decimals: int | None, known: Mapping[str, Column]
) -> tuple[Prediction, Integers]:
    """The prediction that leaves the fewest bits in a sample of the column, and what it leaves."""
    step = max(1, len(integers) // _SAMPLE)
    best: tuple[Prediction, Integers] = (VALUE, integers)
    least_bits = bit_cost(integers[::step])
    for prediction, left in _candidates(name, integers, decimals, known):
        bits = bit_cost(left[::step])
        if bits < least_bits:
            best, least_bits = (prediction, left), bits
    return best


def undo(
    prediction: Prediction, left: NarrowIntegers, decimals: int | None, known: Mapping[str, Column], scratch: Scratch
) -> NarrowIntegers:
    """The whole numbers that were predicted; ValueError, KeyError or TypeError for an unknown prediction."""
    if prediction == VALUE:
        return left
    if prediction == PREVIOUS:
        return np.cumsum(left, dtype=np.int64, out=scratch.array("summed", len(left), np.int64))
    if isinstance(prediction, str) or decimals is None:
        raise ValueError(f"{prediction} is no prediction of such a column")
    product = _product(prediction, decimals, known, scratch)
    return np.add(product, left, out=product)


def _candidates(
    name: str, integers: Integers, decimals: int | None, known: Mapping[str, Column]
) -> Iterator[tuple[Prediction, Integers]]:
    yield PREVIOUS, np.diff(integers, prepend=np.int64(0))
    if decimals is None:
        return
    available = known.keys() | ({MEAN_PRICE} if known.keys() >= set(PRICE_COLUMNS) else set())
    for factors, divisors in _PRODUCTS.get(name, ()):
        if available >= {*factors, *divisors}:
            yield (factors, divisors), integers - _product((factors, divisors), decimals, known, Scratch())


def _product(names: Product, decimals: int, known: Mapping[str, Column], scratch: Scratch) -> Integers:
    """The columns of the first list multiplied, then divided by those of the second, in order, and rounded."""
    factors, divisors = names
    with np.errstate(all="ignore"):
        first = _floats(factors[0], known, scratch)
        product = scratch.array("product", len(first), np.float64)
        np.copyto(product, first)
        for name in factors[1:]:
            product *= _floats(name, known, scratch)
        for name in divisors:
            product /= _floats(name, known, scratch)
        integers = scratch.array("rounded", len(first), np.int64)
        round_into(integers, product, decimals)
    return integers


def _floats(name: str, known: Mapping[str, Column], scratch: Scratch) -> Floats:
    if name != MEAN_PRICE:
        return np.asarray(known[name], np.float64)
    opens, highs, lows, closes = (np.asarray(known[price], np.float64) for price in PRICE_COLUMNS)
    mean, other = (scratch.array(half, len(opens), np.float64) for half in ("mean", "other half"))
    np.add(opens, highs, out=mean)
    mean += np.add(lows, closes, out=other)
    mean /= 4.0
    return mean
