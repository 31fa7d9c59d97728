"""Columns as bytes: values to packed columns and back, bit for bit.

A packed column is [name, type, decimals, prediction, numbers, misses]; docs/segment-format.md says what
each of them means, and adapters/segments/predictions.py what a number is told apart from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from adapters.segments.integers import Integers, pack_integers, unpack_integers
from adapters.segments.numbers import Numbers
from adapters.segments.predictions import CandleDeltas, Prediction, choose, undo
from domain.candles import PRICE_COLUMNS, Column

FLOAT, INTEGER = "f8", "i8"


def pack(columns: Mapping[str, Column]) -> list[list[Any]]:
    """What `unpack` needs to give the same columns, as msgpack takes it; the same columns give the same."""
    prices = _pack_prices(columns) if columns.keys() >= set(PRICE_COLUMNS) else {}
    packed: list[list[Any]] = []
    known: dict[str, Column] = {}
    for name, column in columns.items():
        packed.append(prices[name] if name in prices else _pack_one(name, column, known))
        known[name] = column
    return packed


def unpack(packed: Sequence[Any], rows: int) -> dict[str, Column]:
    """The columns of that many rows; ValueError, KeyError or TypeError when it is not what `pack` gives."""
    prices = {name: record for name, *record in packed if record[2] in PRICE_COLUMNS}
    columns: dict[str, Column] = _unpack_prices(prices, rows) if prices else {}
    for name, kind, decimals, prediction, numbers, misses in packed:
        if name not in prices:
            integers = undo(prediction, unpack_integers(numbers, rows), decimals, columns)
            columns[name] = _values(kind, decimals, integers, misses, rows)
    return {record[0]: columns[record[0]] for record in packed}


def _pack_prices(columns: Mapping[str, Column]) -> dict[str, list[Any]]:
    """The four prices in one scale, so that they can be told apart from each other."""
    together = np.concatenate([np.asarray(columns[name], np.float64) for name in PRICE_COLUMNS])
    numbers = dict(zip(PRICE_COLUMNS, Numbers.of(together).split(4), strict=True))
    deltas = CandleDeltas.between(*(numbers[name].integers for name in PRICE_COLUMNS))
    return {name: _float_record(name, name, numbers[name], getattr(deltas, name)) for name in PRICE_COLUMNS}


def _unpack_prices(records: Mapping[str, Any], rows: int) -> dict[str, Column]:
    deltas = CandleDeltas(*(unpack_integers(records[name][3], rows) for name in PRICE_COLUMNS))
    return {
        name: _values(records[name][0], records[name][1], integers, records[name][4], rows)
        for name, integers in zip(PRICE_COLUMNS, deltas.prices(), strict=True)
    }


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


def _values(kind: str, decimals: int | None, integers: Integers, misses: Sequence[Any], rows: int) -> Column:
    if kind == INTEGER:
        return integers
    if kind != FLOAT:
        raise ValueError(f"{kind} is no type of a column")
    return Numbers(integers, decimals, unpack_integers(misses, rows) if misses else None).floats()
