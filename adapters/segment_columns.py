"""Columns as bytes: values to packed columns and back, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from domain.candles import Column

_DTYPES = {"f8": np.dtype("<f8"), "i8": np.dtype("<i8")}


def pack(columns: Mapping[str, Column]) -> list[Any]:
    """What `unpack` needs to give the same columns, as msgpack takes it."""
    return [[name, _kind(column), column.astype(f"<{_kind(column)}").tobytes()] for name, column in columns.items()]


def unpack(packed: Sequence[Any], rows: int) -> dict[str, Column]:
    """The columns of that many rows; ValueError, KeyError or TypeError when it is not what `pack` gives."""
    return {name: np.frombuffer(data, _DTYPES[kind], rows).astype(kind) for name, kind, data in packed}


def _kind(column: Column) -> str:
    return "i8" if column.dtype == np.int64 else "f8"
