"""Predictions: what a number of a candle is told apart from, so that little is left to write down.

All arithmetic on whole numbers wraps at 64 bits; all on floats is IEEE 754 double, in the order given
here: the same on every machine, so that what is taken away is what is put back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from adapters.segments.integers import Integers
from adapters.segments.numbers import Floats, bit_cost, rounded
from domain.candles import PRICE_COLUMNS, Column

Product: TypeAlias = Sequence[Sequence[str]]
Prediction: TypeAlias = str | Product
"""A name of a rule, or columns whose product, divided by others, comes near."""

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
    """What is left of four prices in one scale when each is told apart from one already known.

    A bar opens where the last one closed, its high is at or above open and close, its low at or below.
    """

    open: Integers
    high: Integers
    low: Integers
    close: Integers

    @classmethod
    def between(cls, open: Integers, high: Integers, low: Integers, close: Integers) -> CandleDeltas:
        """From the prices: open - previous close, high - max(open, close), min(open, close) - low, close - open."""
        previous = np.concatenate([np.zeros(1, np.int64), close[:-1]])[: len(close)]
        return cls(open - previous, high - np.maximum(open, close), np.minimum(open, close) - low, close - open)

    def prices(self) -> tuple[Integers, Integers, Integers, Integers]:
        """Open, high, low and close again."""
        closes = np.cumsum(self.open + self.close)
        opens = closes - self.close
        return opens, np.maximum(opens, closes) + self.high, np.minimum(opens, closes) - self.low, closes


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


def undo(prediction: Prediction, left: Integers, decimals: int | None, known: Mapping[str, Column]) -> Integers:
    """The whole numbers that were told apart; ValueError, KeyError or TypeError for an unknown prediction."""
    if prediction == VALUE:
        return left
    if prediction == PREVIOUS:
        return np.cumsum(left)
    if isinstance(prediction, str) or decimals is None:
        raise ValueError(f"{prediction} is no prediction of such a column")
    return left + _product(prediction, decimals, known)


def _candidates(
    name: str, integers: Integers, decimals: int | None, known: Mapping[str, Column]
) -> Iterator[tuple[Prediction, Integers]]:
    yield PREVIOUS, np.diff(integers, prepend=np.int64(0))
    if decimals is None:
        return
    available = known.keys() | ({MEAN_PRICE} if known.keys() >= set(PRICE_COLUMNS) else set())
    for over, under in _PRODUCTS.get(name, ()):
        if available >= {*over, *under}:
            yield (over, under), integers - _product((over, under), decimals, known)


def _product(names: Product, decimals: int, known: Mapping[str, Column]) -> Integers:
    """The columns of the first list multiplied, then divided by those of the second, in order, and rounded."""
    over, under = names
    with np.errstate(all="ignore"):
        product = _floats(over[0], known)
        for name in over[1:]:
            product = product * _floats(name, known)
        for name in under:
            product = product / _floats(name, known)
        return rounded(product, decimals)


def _floats(name: str, known: Mapping[str, Column]) -> Floats:
    if name == MEAN_PRICE:
        opens, highs, lows, closes = (np.asarray(known[price], np.float64) for price in PRICE_COLUMNS)
        return ((opens + highs) + (lows + closes)) / 4.0
    return np.asarray(known[name], np.float64)
