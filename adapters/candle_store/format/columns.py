"""Columns as bytes: values to packed columns and back, bit for bit.

A packed column is [name, type, decimals, prediction, numbers, misses]; docs/segment-format.md says what
each of them means, and `predictions` how a number is predicted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from adapters.candle_store.block import new_columns
from adapters.candle_store.format.integers import Integers, NarrowIntegers, pack_integers, unpack_integers
from adapters.candle_store.format.numbers import Numbers, write_floats
from adapters.candle_store.format.predictions import CandleDeltas, Prediction, choose, undo
from adapters.candle_store.format.scratch import Scratch
from domain.candles.candles import PRICE_COLUMNS, Column

FLOAT, INTEGER = "f8", "i8"
_DTYPES: dict[str, np.dtype[Any]] = {FLOAT: np.dtype(np.float64), INTEGER: np.dtype(np.int64)}


def pack(columns: Mapping[str, Column]) -> list[list[Any]]:
    """What `unpack` needs to give the same columns, as msgpack takes it; the same columns give the same."""
    prices = _pack_prices(columns) if columns.keys() >= set(PRICE_COLUMNS) else {}
    packed: list[list[Any]] = []
    known: dict[str, Column] = {}
    for name, column in columns.items():
        packed.append(prices[name] if name in prices else _pack_one(name, column, known))
        known[name] = column
    return packed


def dtypes(packed: Sequence[Any]) -> dict[str, np.dtype[Any]]:
    """The type of every column by name, in order; KeyError for one there is not."""
    return {name: _DTYPES[kind] for name, kind, *_ in packed}


def unpack(packed: Sequence[Any], rows: int, scratch: Scratch) -> dict[str, Column]:
    """The columns of that many rows. What lies in the scratch is of no use afterwards.

    ValueError, LookupError, TypeError, OverflowError or ZstdError when it is not what `pack` gives.
    """
    columns = new_columns(dtypes(packed), rows)
    unpack_into(columns, packed, rows, scratch)
    return columns


def unpack_into(columns: Mapping[str, Column], packed: Sequence[Any], rows: int, scratch: Scratch) -> None:
    """The same into columns that are there."""
    prices = {name: record for name, *record in packed if record[2] == name and name in PRICE_COLUMNS}
    if prices:
        _unpack_prices(columns, prices, rows, scratch)
    known = {name: columns[name] for name in PRICE_COLUMNS if prices}
    for name, kind, decimals, prediction, numbers, misses in packed:
        if name not in known:
            left = unpack_integers(numbers, rows, scratch, "left")
            integers = undo(prediction, left, decimals, known, scratch)
            _write(columns[name], kind, decimals, integers, misses, scratch)
            known[name] = columns[name]


def _pack_prices(columns: Mapping[str, Column]) -> dict[str, list[Any]]:
    """The four prices in one scale, so that each can be predicted from another."""
    together = np.concatenate([np.asarray(columns[name], np.float64) for name in PRICE_COLUMNS])
    numbers = dict(zip(PRICE_COLUMNS, Numbers.of(together).split(4), strict=True))
    deltas = CandleDeltas.between(*(numbers[name].integers for name in PRICE_COLUMNS))
    return {name: _float_record(name, name, numbers[name], getattr(deltas, name)) for name in PRICE_COLUMNS}


def _unpack_prices(columns: Mapping[str, Column], records: Mapping[str, Any], rows: int, scratch: Scratch) -> None:
    deltas = CandleDeltas(*(unpack_integers(records[name][3], rows, scratch, name) for name in PRICE_COLUMNS))
    for name, integers in zip(PRICE_COLUMNS, deltas.prices(scratch), strict=True):
        kind, decimals, _, _, misses = records[name]
        _write(columns[name], kind, decimals, integers, misses, scratch)


def _pack_one(name: str, column: Column, known: Mapping[str, Column]) -> list[Any]:
    if column.dtype == np.int64:
        prediction, left = choose(name, np.asarray(column, np.int64), None, {})
        return [name, INTEGER, None, prediction, pack_integers(left), []]
    numbers = Numbers.of(np.ascontiguousarray(column, np.float64))
    prediction, left = choose(name, numbers.integers, numbers.decimals, known)
    return _float_record(name, prediction, numbers, left)


def _float_record(name: str, prediction: Prediction, numbers: Numbers, left: Integers) -> list[Any]:
    misses = [] if numbers.misses is None else pack_integers(numbers.misses)
    return [name, FLOAT, numbers.decimals, prediction, pack_integers(left), misses]


def _write(
    column: Column,
    kind: str,
    decimals: int | None,
    integers: NarrowIntegers,
    misses: Sequence[Any],
    scratch: Scratch,
) -> None:
    if kind == INTEGER:
        column[:] = integers
    else:
        missed = unpack_integers(misses, len(column), scratch, "misses") if misses else None
        write_floats(integers, decimals, missed, column.view(np.float64))
