"""LongTable: candles of several symbols as one table, and that table in pandas, polars and Arrow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from adapters.candle_store.block import CandleBlock
from adapters.optional import require
from domain.candles.candles import CORE_COLUMNS, Candles, Column
from domain.candles.ports import CandlePiece

Part: TypeAlias = tuple[str, CandlePiece]
"""A symbol and candles of it."""


@dataclass(frozen=True, slots=True, eq=False)
class LongTable:
    """One row per candle, the parts one after another; a single part is not copied.

    Columns of a table: symbol, timestamp (the opening, UTC, milliseconds), open, high, low, close, volume, then what
    the broker adds. The symbol is a number per row and a list of names: a dictionary column in Arrow, a category in
    pandas and polars. A column that only some parts have is null for the others (in pandas a count is a float then).
    Parts without candles are left out.
    """

    symbols: Sequence[str]
    codes: NDArray[np.int32]
    open_time_ms: NDArray[np.int64]
    values: dict[str, Column]
    nulls: dict[str, NDArray[np.bool_]]
    """The rows in which a column is null; only columns that some part lacks are included."""

    @classmethod
    def of(cls, parts: Iterable[Part], rows_at_most: int = 0) -> LongTable:
        """A table of all parts that have candles, in their order; a part is not kept after the next one is read.

        `rows_at_most` is the most candles that may come, if that is known. Raises CorruptSegment.
        """
        block, numbers = CandleBlock(rows_at_most), dict[str, int]()
        part_numbers: list[int] = []
        for symbol, piece in parts:
            if len(piece):
                part_numbers.append(numbers.setdefault(symbol, len(numbers)))
                block.append(piece)
        values = block.columns() or Candles.empty().columns()
        codes = np.repeat(np.array(part_numbers, np.int32), block.lengths)
        open_time_ms = values.pop("open_time_ms").astype(np.int64, copy=False)
        return cls(list(numbers), codes, open_time_ms, values, block.lacking())

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` over the same memory."""
        pandas = require("pandas", "pandas")
        timestamps = pandas.Series(self.open_time_ms).astype(pandas.DatetimeTZDtype("ms", "UTC"))
        values = {name: self._with_nan(name) for name in self.values}
        symbols = pandas.Categorical.from_codes(self.codes, pandas.Index(self.symbols, dtype="str"), validate=False)
        return pandas.DataFrame({"symbol": symbols, "timestamp": timestamps, **values}, copy=False)

    def to_polars(self) -> Any:
        """A `polars.DataFrame`, over the same memory where nothing is null."""
        polars = require("polars", "polars")
        names = polars.Series(self.symbols, dtype=polars.Categorical)
        timestamps = polars.Series(self.open_time_ms).cast(polars.Datetime("ms", "UTC"))
        frame = polars.DataFrame({"symbol": names.gather(self.codes), "timestamp": timestamps, **self.values})
        return frame.with_columns(
            polars.when(polars.lit(polars.Series(~nulls))).then(polars.col(name)).alias(name)
            for name, nulls in self.nulls.items()
        )

    def to_arrow(self) -> Any:
        """A `pyarrow.Table`, over the same memory where nothing is null."""
        arrow = require("pyarrow", "arrow")
        names = arrow.array(self.symbols, arrow.string())
        timestamps = arrow.array(self.open_time_ms).cast(arrow.timestamp("ms", "UTC"))
        values = {name: arrow.array(column, mask=self.nulls.get(name)) for name, column in self.values.items()}
        symbols = arrow.DictionaryArray.from_arrays(arrow.array(self.codes), names)
        return arrow.table({"symbol": symbols, "timestamp": timestamps, **values})

    def _with_nan(self, name: str) -> Column:
        column = self.values[name]
        if name not in self.nulls:
            return column
        return np.where(self.nulls[name], np.nan, column)


def value_columns(candles: Candles) -> dict[str, Column]:
    """Open, high, low, close, volume and the extras, by name."""
    return {name: column for name, column in candles.columns().items() if name != "open_time_ms"}


def table_columns(candles: Candles) -> list[str]:
    """The names of a table's columns, in order."""
    return ["symbol", "timestamp", *CORE_COLUMNS, *candles.extras]
