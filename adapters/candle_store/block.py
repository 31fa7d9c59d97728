"""CandleBlock: candles put together from pieces, in one piece of memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.candles.candles import Column
from domain.candles.ports import CandlePiece


class CandleBlock:
    """Columns that pieces are written into, one after another; what a piece lacks is NaN there, or 0.

    They lie in one piece of memory: the system allocates that several times as fast as a dozen, and allocation
    is most of what putting pieces together takes. A first piece that fills the block is used as it is, uncopied.
    """

    def __init__(self, rows_at_most: int = 0) -> None:
        """`rows_at_most` is the most candles expected; where it is too low, the block grows."""
        self.lengths: list[int] = []
        """Of the pieces so far."""
        self._names: list[frozenset[str]] = []
        self._columns: dict[str, Column] = {}
        self._rows_at_most = rows_at_most
        self._room = 0
        self._rows = 0

    def append(self, piece: CandlePiece) -> None:
        """Take over a piece; it may be let go then. One without candles leaves no trace. Raises CorruptSegment."""
        if not len(piece):
            return
        dtypes, start, end = piece.dtypes(), self._rows, self._rows + len(piece)
        self._rows = end
        self.lengths.append(len(piece))
        self._names.append(frozenset(dtypes))
        if not start and end >= self._rows_at_most:
            self._columns, self._room = dict(piece.columns()), end
            return
        self._make_room(dtypes, start, end)
        mine = {name: self._columns[name][start:end] for name in dtypes}
        # A column may be of counts here and of floats elsewhere: one of another type is copied by way of its own.
        others = {name: np.empty(len(piece), dtype) for name, dtype in dtypes.items() if dtype != mine[name].dtype}
        piece.copy_into({**mine, **others})
        for name, column in others.items():
            mine[name][:] = column

    def columns(self) -> dict[str, Column]:
        """What was appended, by name: all that any piece has, in the order they came."""
        for name, lacking in self.lacking().items():
            column = self._columns[name][: self._rows]
            column[lacking] = 0 if column.dtype == np.int64 else np.nan
        return {name: column[: self._rows] for name, column in self._columns.items()}

    def lacking(self) -> dict[str, NDArray[np.bool_]]:
        """Which rows lack a column; only columns that some piece lacks are named."""
        return {
            name: np.repeat([name not in of_piece for of_piece in self._names], self.lengths)
            for name in self._columns
            if any(name not in of_piece for of_piece in self._names)
        }

    def _make_room(self, dtypes: Mapping[str, np.dtype[Any]], start: int, end: int) -> None:
        """Make room up to the end, in columns whose types hold both what is there and what comes."""
        mine = {name: column.dtype for name, column in self._columns.items()}
        wanted = {**mine, **{name: np.result_type(mine.get(name, dtype), dtype) for name, dtype in dtypes.items()}}
        if end > self._room:
            self._room, mine = max(end, self._rows_at_most, 2 * self._room), {}
        changed = {name: dtype for name, dtype in wanted.items() if name not in mine or mine[name] != dtype}
        for name, column in new_columns(changed, self._room).items():
            if name in self._columns:
                column[:start] = self._columns[name][:start]
            self._columns[name] = column


def new_columns(dtypes: Mapping[str, np.dtype[Any]], rows: int) -> dict[str, Column]:
    """Columns of these types, float64 or int64, with anything in them: in one piece of memory."""
    block = np.empty((len(dtypes), rows))
    return {name: row.view(dtype) for row, (name, dtype) in zip(block, dtypes.items(), strict=True)}
