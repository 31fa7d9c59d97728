"""CandleReader: stored candles as numpy columns, and as pandas, polars or Arrow tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any, TypeAlias

from adapters.candle_layout import EVERYTHING
from domain.candles import CORE_COLUMNS, Candles, Column, Dataset
from domain.errors import SettingsError
from domain.ports import CandleRepository
from domain.timespan import TimeSpan

Datasets: TypeAlias = Dataset | Iterable[Dataset]


class CandleReader:
    """Reads from a repository. Several datasets make one table, one after another.

    Columns of a table: symbol, timestamp (the opening, UTC, milliseconds), open, high, low, close, volume,
    then what the broker adds; a column that only some of the datasets have is null for the others.
    The table methods raise SettingsError when their library is not installed.
    """

    def __init__(self, repository: CandleRepository) -> None:
        self._repository = repository

    def candles(self, dataset: Dataset, span: TimeSpan = EVERYTHING, known_at_ms: int | None = None) -> Candles:
        """One dataset's candles as numpy columns, or as they were known at a moment. Raises CorruptSegment."""
        return self._repository.read(dataset, span, known_at_ms)

    def to_pandas(self, datasets: Datasets, span: TimeSpan = EVERYTHING) -> Any:
        """A `pandas.DataFrame`."""
        pandas = require("pandas", "pandas")
        frames = []
        for symbol, candles in self._tables(datasets, span):
            timestamps = pandas.Series(candles.open_time_ms.view("datetime64[ms]")).dt.tz_localize("UTC")
            symbols = pandas.Series([symbol] * len(candles), dtype="str")
            frames.append(pandas.DataFrame({"symbol": symbols, "timestamp": timestamps, **value_columns(candles)}))
        return pandas.concat(frames, ignore_index=True)

    def to_polars(self, datasets: Datasets, span: TimeSpan = EVERYTHING) -> Any:
        """A `polars.DataFrame`."""
        polars = require("polars", "polars")
        frames = []
        for symbol, candles in self._tables(datasets, span):
            symbols = polars.repeat(symbol, len(candles), dtype=polars.String, eager=True)
            timestamps = polars.Series(candles.open_time_ms).cast(polars.Datetime("ms", "UTC"))
            frames.append(polars.DataFrame({"symbol": symbols, "timestamp": timestamps, **value_columns(candles)}))
        return polars.concat(frames, how="diagonal_relaxed")

    def to_arrow(self, datasets: Datasets, span: TimeSpan = EVERYTHING) -> Any:
        """A `pyarrow.Table`."""
        arrow = require("pyarrow", "arrow")
        tables = []
        for symbol, candles in self._tables(datasets, span):
            symbols = arrow.repeat(arrow.scalar(symbol, arrow.string()), len(candles))
            timestamps = arrow.array(candles.open_time_ms, arrow.timestamp("ms", "UTC"))
            tables.append(arrow.table({"symbol": symbols, "timestamp": timestamps, **value_columns(candles)}))
        return arrow.concat_tables(tables, promote_options="permissive")

    def _tables(self, datasets: Datasets, span: TimeSpan) -> Iterator[tuple[str, Candles]]:
        """What has candles; one empty table when nothing has, so that the columns are there."""
        found = False
        for dataset in [datasets] if isinstance(datasets, Dataset) else datasets:
            candles = self.candles(dataset, span)
            if len(candles):
                found = True
                yield dataset.symbol, candles
        if not found:
            yield "", Candles.empty()


def value_columns(candles: Candles) -> dict[str, Column]:
    """Open, high, low, close, volume and the extras, by name."""
    return {name: column for name, column in candles.columns().items() if name != "open_time_ms"}


def table_columns(candles: Candles) -> list[str]:
    """The names of a table's columns, in order."""
    return ["symbol", "timestamp", *CORE_COLUMNS, *candles.extras]


def require(module: str, extra: str) -> Any:
    """The module, for an optional extra; SettingsError naming the extra when it is not installed."""
    try:
        return import_module(module)
    except ImportError:
        raise SettingsError(f"{module} is not installed: pip install 'candle-collector[{extra}]'") from None
