"""Stores: ours and others behind one small interface, each tuned as its users would, each durable."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import duckdb
import numpy as np
import pyarrow
from pyarrow import feather, parquet

from adapters.candle_store.layout import split
from adapters.candle_store.repository import CandleFiles
from adapters.files.atomic import make_folder, replacing
from domain.candles.candles import Candles
from domain.candles.dataset import Dataset
from domain.spans.time_span import TimeSpan


class Store(Protocol):
    """One dataset in one folder. `save` adds or replaces bars, durable when it returns; `read` gives them all."""

    def save(self, candles: Candles) -> None: ...

    def read(self) -> Candles: ...

    def close(self) -> None:
        """Close the store, with everything in its final form on disk."""


class OurStore:
    """CandleFiles; it alone keeps the old values of replaced bars as well."""

    def __init__(self, folder: Path, dataset: Dataset) -> None:
        self._files = CandleFiles(folder)
        self._dataset = dataset
        self._moment_ms = 0

    def save(self, candles: Candles) -> None:
        """One answer over the span of the bars."""
        self._moment_ms += 1000
        self._files.save(self._dataset, span_of(candles, self._dataset), candles, None, self._moment_ms)

    def read(self) -> Candles:
        """Everything."""
        return self._files.read(self._dataset, TimeSpan(0, 2**52))

    def close(self) -> None:
        """Nothing is open."""


class TableFiles:
    """A table file for each period, split as ours; read, merged and replaced whole, as they cannot be changed."""

    def __init__(
        self, folder: Path, dataset: Dataset, write: Callable[[pyarrow.Table, Any], None], load: Callable[[Path], Any]
    ) -> None:
        make_folder(folder)
        self._folder = folder
        self._dataset = dataset
        self._write = write
        self._load = load

    def save(self, candles: Candles) -> None:
        """Merge into each file the bars fall in."""
        for name, part in split(self._dataset, span_of(candles, self._dataset)):
            path = self._folder / name
            newer = candles.within(part)
            merged = from_table(self._load(path)).merge(newer) if path.exists() else newer
            with replacing(path) as file:
                self._write(pyarrow.table(merged.columns()), file)

    def read(self) -> Candles:
        """All files, in order."""
        paths = sorted(self._folder.glob("*.candles"))
        return Candles.concatenate([from_table(self._load(path)) for path in paths])

    def close(self) -> None:
        """Nothing is open."""


def parquet_files(folder: Path, dataset: Dataset, **options: Any) -> TableFiles:
    """Parquet with these options of `pyarrow.parquet.write_table`."""
    return TableFiles(
        folder,
        dataset,
        lambda table, file: parquet.write_table(table, file, **options),
        lambda path: parquet.read_table(path, memory_map=True),
    )


def feather_files(folder: Path, dataset: Dataset) -> TableFiles:
    """Feather 2, which is Arrow's own format, in zstd."""
    return TableFiles(
        folder,
        dataset,
        lambda table, file: feather.write_feather(table, file, compression="zstd"),
        lambda path: feather.read_table(path, memory_map=True),
    )


class DuckDbStore:
    """One DuckDB file; a primary key, since bars are replaced by their opening."""

    def __init__(self, folder: Path, dataset: Dataset) -> None:
        make_folder(folder)
        self._database = duckdb.connect(str(folder / "candles.duckdb"))
        self._is_new = True

    def save(self, candles: Candles) -> None:
        """One transaction; its commit is synchronous."""
        page = pyarrow.table(candles.columns())
        self._database.register("page", page)
        if self._is_new:
            columns = ", ".join(f"{name} {_duckdb_type(column)}" for name, column in candles.columns().items())
            self._database.execute(f"CREATE TABLE candles ({columns}, PRIMARY KEY (open_time_ms))")
            self._is_new = False
        self._database.execute("INSERT OR REPLACE INTO candles SELECT * FROM page")
        self._database.unregister("page")

    def read(self) -> Candles:
        """Everything in order, as numpy."""
        found = self._database.execute("SELECT * FROM candles ORDER BY open_time_ms").fetchnumpy()
        return Candles.from_columns(found)

    def close(self) -> None:
        """Move the log into the file."""
        self._database.execute("CHECKPOINT")
        self._database.close()


class SqliteStore:
    """One SQLite file in WAL with full sync."""

    def __init__(self, folder: Path, dataset: Dataset) -> None:
        make_folder(folder)
        self._database = sqlite3.connect(folder / "candles.sqlite", isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._names: list[str] = []

    def save(self, candles: Candles) -> None:
        """One transaction."""
        columns = candles.columns()
        if not self._names:
            self._names = list(columns)
            described = ", ".join(f"{name} {_sqlite_type(column)}" for name, column in columns.items())
            key = "open_time_ms INTEGER PRIMARY KEY"
            self._database.execute(f"CREATE TABLE candles ({described.replace('open_time_ms INTEGER', key)})")
        places = ", ".join("?" * len(columns))
        rows = zip(*(column.tolist() for column in columns.values()), strict=True)
        self._database.execute("BEGIN")
        self._database.executemany(f"INSERT OR REPLACE INTO candles VALUES ({places})", rows)
        self._database.execute("COMMIT")

    def read(self) -> Candles:
        """Everything in order, as numpy."""
        with closing(self._database.execute("SELECT * FROM candles ORDER BY open_time_ms")) as cursor:
            columns = dict(zip(self._names, zip(*cursor.fetchall(), strict=True), strict=True))
        return Candles.from_columns({name: np.array(column) for name, column in columns.items()})

    def close(self) -> None:
        """Move the log into the file."""
        self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._database.close()


def span_of(candles: Candles, dataset: Dataset) -> TimeSpan:
    """From the first bar's opening to the last one's close."""
    first, last = (int(candles.open_time_ms[place]) for place in (0, -1))
    return TimeSpan(first, last + dataset.interval.duration_ms)


def from_table(table: Any) -> Candles:
    """An Arrow table as candles."""
    return Candles.from_columns({name: table[name].to_numpy() for name in table.column_names})


def bytes_in(folder: Path) -> int:
    """The size of all files in a folder."""
    return sum(path.stat().st_size for path in _files(folder))


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        yield from (Path(parent) / name for name in names)


def _duckdb_type(column: np.ndarray[Any, Any]) -> str:
    return "BIGINT" if column.dtype == np.int64 else "DOUBLE"


def _sqlite_type(column: np.ndarray[Any, Any]) -> str:
    return "INTEGER" if column.dtype == np.int64 else "REAL"


_PRICES = ("open", "high", "low", "close")
PARQUET_WAYS: Mapping[str, Mapping[str, Any]] = {
    f"zstd {level}, {'dictionary of prices' if dictionary else 'no dictionary'}, {encoding.lower()} floats": {
        "compression": "zstd",
        "compression_level": level,
        "use_dictionary": list(_PRICES) if dictionary else False,
        "column_encoding": {
            "open_time_ms": "DELTA_BINARY_PACKED",
            **dict.fromkeys(("volume",) if dictionary else (*_PRICES, "volume"), encoding),
        },
        "write_statistics": False,
    }
    for level in (1, 3, 9)
    for dictionary in (True, False)
    for encoding in ("PLAIN", "BYTE_STREAM_SPLIT")
}
"""The options tried for tuned Parquet; the smallest result counts, see `tuned_parquet`."""


def tuned_parquet(candles: Candles) -> tuple[str, Mapping[str, Any]]:
    """The options that make the smallest Parquet file of these bars, found by trying, and their name."""
    table = pyarrow.table(candles.columns())

    def size(options: Mapping[str, Any]) -> int:
        sink = pyarrow.BufferOutputStream()
        parquet.write_table(table, sink, **options)
        return int(sink.getvalue().size)

    return min(PARQUET_WAYS.items(), key=lambda named: size(named[1]))
