"""Stored candles as tables and as exported files."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pandas
import polars
import pyarrow.parquet
import pytest

from adapters.in_memory import InMemoryCandleRepository
from adapters.reading.export import export
from adapters.reading.reader import CandleReader
from adapters.reading.tables import LongTable
from domain.candles.candles import Candles
from domain.candles.dataset import Dataset, Interval
from domain.errors import SettingsError
from domain.spans.time_span import TimeSpan

DAY_MS = 86_400_000
BTC = Dataset("binance", "BTCUSDT", Interval("1d"))
BRK = Dataset("tradier", "BRK/B", Interval("1d"))
NOTHING = Dataset("binance", "NONE", Interval("1d"))
VALUES = np.array([0.1 + 0.2, 1e-300, 0.0016200000000000001])
ALL_DAYS = TimeSpan(0, 3 * DAY_MS)
COLUMNS = ["symbol", "timestamp", "open", "high", "low", "close", "volume"]


@pytest.fixture
def repository() -> InMemoryCandleRepository:
    repository = InMemoryCandleRepository()
    times = np.arange(3) * DAY_MS
    plain = Candles(times, VALUES, VALUES, VALUES, VALUES, VALUES)
    repository.save(BTC, ALL_DAYS, Candles.from_columns({**plain.columns(), "trades": np.array([1, 2, 3])}))
    repository.save(BRK, ALL_DAYS, plain)
    repository.save(NOTHING, ALL_DAYS, Candles.empty())
    return repository


@pytest.fixture
def reader(repository: InMemoryCandleRepository) -> CandleReader:
    return CandleReader(repository)


def test_numpy_needs_no_extra(reader: CandleReader) -> None:
    assert reader.candles(BTC).close.tolist() == VALUES.tolist()
    assert len(reader.candles(BTC, start="1970-01-02", end="1970-01-03")) == 1


def test_pandas_gets_several_symbols_as_one_table(reader: CandleReader) -> None:
    table = reader.to_pandas([BTC, NOTHING, BRK])
    assert list(table.columns) == [*COLUMNS, "trades"]
    assert table["symbol"].tolist() == ["BTCUSDT"] * 3 + ["BRK/B"] * 3
    assert table["timestamp"].iloc[1] == pandas.Timestamp("1970-01-02", tz="UTC")
    assert table["close"].tolist() == VALUES.tolist() * 2
    assert table["trades"].isna().tolist() == [False] * 3 + [True] * 3


def test_a_dataset_without_candles_does_not_change_the_types_of_the_others(reader: CandleReader) -> None:
    assert reader.to_pandas([BTC, NOTHING]).dtypes.equals(reader.to_pandas(BTC).dtypes)
    assert reader.to_polars([BTC, NOTHING]).schema == reader.to_polars(BTC).schema
    assert reader.to_arrow([BTC, NOTHING]).schema == reader.to_arrow(BTC).schema


def test_polars_gets_several_symbols_as_one_table(reader: CandleReader) -> None:
    table = reader.to_polars([BTC, NOTHING, BRK])
    assert table.columns == [*COLUMNS, "trades"]
    assert table.schema["timestamp"] == polars.Datetime("ms", "UTC")
    assert table["timestamp"].dt.epoch("ms").to_list() == [0, DAY_MS, 2 * DAY_MS] * 2
    assert table["close"].to_list() == VALUES.tolist() * 2
    assert table["trades"].to_list() == [1, 2, 3, None, None, None]


def test_arrow_gets_several_symbols_as_one_table(reader: CandleReader) -> None:
    table = reader.to_arrow([BTC, NOTHING, BRK])
    assert table.column_names == [*COLUMNS, "trades"]
    assert table.schema.field("timestamp").type == pyarrow.timestamp("ms", "UTC")
    assert table["close"].to_pylist() == VALUES.tolist() * 2
    assert table["trades"].to_pylist() == [1, 2, 3, None, None, None]


def test_a_table_of_nothing_still_has_its_columns(reader: CandleReader) -> None:
    assert list(reader.to_pandas(NOTHING).columns) == COLUMNS
    assert reader.to_polars(NOTHING).columns == COLUMNS
    assert reader.to_arrow([]).column_names == COLUMNS
    assert len(reader.to_pandas([])) == len(reader.to_polars([])) == len(reader.to_arrow([])) == 0


@pytest.mark.parametrize(
    ("module", "extra", "method"),
    [("pandas", "pandas", "to_pandas"), ("polars", "polars", "to_polars"), ("pyarrow", "arrow", "to_arrow")],
)
def test_a_missing_library_is_answered_with_how_to_install_it(
    reader: CandleReader, monkeypatch: pytest.MonkeyPatch, module: str, extra: str, method: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SettingsError, match=rf"pip install 'candle-collector\[{extra}\]'"):
        getattr(reader, method)(BTC)


def test_csv_floats_read_back_to_the_same_bits(repository: InMemoryCandleRepository, tmp_path: Path) -> None:
    (path,) = export(repository, [BTC], None, "csv", tmp_path / "new" / "folder")
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert path.name == "binance_BTCUSDT_1d.csv"
    assert list(rows[0]) == [*COLUMNS, "trades"]
    assert [float(row["close"]) for row in rows] == VALUES.tolist()
    assert [row["timestamp"] for row in rows] == [f"1970-01-0{day}T00:00:00Z" for day in (1, 2, 3)]
    assert [row["trades"] for row in rows] == ["1", "2", "3"]


def test_parquet_holds_the_same_table(
    reader: CandleReader, repository: InMemoryCandleRepository, tmp_path: Path
) -> None:
    paths = export(repository, [BTC, BRK, BTC], None, "parquet", tmp_path)
    assert [path.name for path in paths] == ["binance_BTCUSDT_1d.parquet", "tradier_BRK%2FB_1d.parquet"]
    assert pyarrow.parquet.read_table(paths[0]).equals(reader.to_arrow(BTC))


@pytest.mark.parametrize("format", ["parquet", "csv"])
def test_only_the_span_asked_for_is_exported_and_a_file_without_rows_has_columns(
    repository: InMemoryCandleRepository, tmp_path: Path, format: str
) -> None:
    read = pandas.read_csv if format == "csv" else pandas.read_parquet
    one, none = export(repository, [BTC, NOTHING], TimeSpan(DAY_MS, 2 * DAY_MS), format, tmp_path)
    assert len(read(one)) == 1
    assert (len(read(none)), list(read(none).columns)) == (0, COLUMNS)


def test_an_export_that_fails_leaves_the_older_file_and_no_temporary(
    repository: InMemoryCandleRepository, tmp_path: Path
) -> None:
    (path,) = export(repository, [BTC], None, "csv", tmp_path)
    before = path.read_bytes()

    class Unreadable(InMemoryCandleRepository):
        def read(self, dataset: Dataset, span: TimeSpan, as_of_ms: int | None = None) -> Candles:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(Unreadable(), [BTC], None, "csv", tmp_path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before


def test_an_unknown_format_is_refused(repository: InMemoryCandleRepository, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="choose parquet or csv"):
        export(repository, [BTC], None, "xlsx", tmp_path)


@pytest.mark.parametrize("rows_at_most", [0, 1, 3, 4, 5, 1000])
def test_a_table_is_right_however_many_rows_were_announced(rows_at_most: int) -> None:
    openings = np.arange(6, dtype=np.int64) * 60_000
    values = openings / 7
    plain = Candles(openings, values, values, values, values, values)
    counted = Candles(openings, values, values, values, values, values, {"trade_count": openings})
    parts = [
        ("A", plain.take(slice(0, 3))),
        ("B", plain.take(slice(0, 0))),
        ("A", counted.take(slice(3, 6))),
        ("C", plain),
    ]
    table = LongTable.of(iter(parts), rows_at_most)
    assert (list(table.symbols), table.codes.tolist()) == (["A", "C"], [0] * 6 + [1] * 6)
    assert table.open_time_ms.tolist() == [*openings.tolist(), *openings.tolist()]
    assert table.values["close"].tolist() == [*values.tolist(), *values.tolist()]
    assert table.values["trade_count"].tolist() == [0] * 3 + openings[3:].tolist() + [0] * 6
    assert table.nulls["trade_count"].tolist() == [True] * 3 + [False] * 3 + [True] * 6
