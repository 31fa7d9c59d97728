"""The Parquet mirror, read by the programs it is made for."""

from __future__ import annotations

import threading
from pathlib import Path

import duckdb
import numpy as np
import polars
import pyarrow.parquet
import pytest

from adapters.candle_store.layout import folder_of
from adapters.candle_store.repository import CandleFiles
from adapters.reading.parquet_mirror import MirrorReport, ParquetMirror
from adapters.reading.reader import CandleReader
from domain.candles.candles import Candles
from domain.candles.dataset import Dataset, Interval
from domain.errors import StorageUnavailable
from domain.spans.time_span import TimeSpan

MINUTE_MS = 60_000
NEW_YEAR_MS = 1_704_067_200_000
MINUTES = Interval("1m")
ODD_NAMES = ("BTCUSDT", "BRK/B", "ES=F", "^GSPC", "00700", "A%2FB", ".X", "ÖL")


@pytest.fixture
def files(tmp_path: Path) -> CandleFiles:
    return CandleFiles(tmp_path / "store")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "mirror"


def dataset(symbol: str = "BTCUSDT", interval: Interval = MINUTES, anchor_ms: int = 0) -> Dataset:
    return Dataset.fixed("binance", symbol, interval, anchor_ms=anchor_ms)


def save(files: CandleFiles, of: Dataset, first: int = -3, bars: int = 6, seed: int = 1) -> None:
    """Bars around the turn of the year: minutes of December and January lie in two files."""
    times = NEW_YEAR_MS + np.arange(first, first + bars) * of.interval.duration_ms
    numbers = np.random.default_rng(seed)
    low, open_, close, high = np.sort(numbers.uniform(1e-9, 1e5, (4, bars)), axis=0)
    volume = numbers.uniform(0, 1, bars)
    extras = {"trade_count": numbers.integers(0, 2**62, bars), "quote_volume": np.full(bars, -0.0)}
    span = TimeSpan(int(times[0]), int(times[-1]) + of.interval.duration_ms)
    files.save(of, span, Candles(times, open_, high, low, close, volume, extras))


def update(files: CandleFiles, folder: Path) -> MirrorReport:
    return ParquetMirror(files.root, folder).update(files.datasets(), is_whole_store=True)


def segment_of(files: CandleFiles, of: Dataset, period: str) -> Path:
    return folder_of(files.root, of) / f"{period}.candles"


def mirrored(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.parquet"))


def bits(values: object) -> bytes:
    return np.asarray(values).tobytes()


def test_folders_are_named_as_hive_does_it_and_files_by_their_period(files: CandleFiles, folder: Path) -> None:
    save(files, dataset("BRK/B"))
    save(files, dataset("BTCUSDT", Interval("1w"), anchor_ms=345_600_000), first=0)
    report = update(files, folder)
    week = "broker=binance/interval=1w/adjustment=raw/symbol=BTCUSDT/all@345600000.parquet"
    months = "broker=binance/interval=1m/adjustment=raw/symbol=BRK%2FB"
    assert mirrored(folder) == [f"{months}/2023-12.parquet", f"{months}/2024-01.parquet", week]
    assert sorted(report.written) == [str(folder / name) for name in mirrored(folder)]


def test_duckdb_and_polars_read_what_the_reader_reads_bit_for_bit(files: CandleFiles, folder: Path) -> None:
    for number, symbol in enumerate(ODD_NAMES):
        save(files, dataset(symbol), seed=number)
    update(files, folder)
    pattern = f"{folder}/**/*.parquet"
    ours = CandleReader(files).to_arrow(sorted(ODD_NAMES), "1m")
    ducks = duckdb.sql(
        f"SELECT * FROM read_parquet('{pattern}', hive_partitioning = true) ORDER BY symbol, timestamp"
    ).to_arrow_table()
    bears = polars.scan_parquet(pattern, hive_partitioning=True).sort("symbol", "timestamp").collect()
    symbols = ours["symbol"].to_pylist()
    assert ducks["symbol"].to_pylist() == symbols
    assert sorted(bears["symbol"].cast(polars.String).to_list()) == symbols
    bears = bears.with_columns(polars.col("symbol").cast(polars.String)).sort("symbol", "timestamp")
    for name in ours.column_names[2:]:
        assert bits(ducks[name]) == bits(bears[name]) == bits(ours[name]), name
        assert ducks.schema.field(name).type == ours.schema.field(name).type
    instants = ours["timestamp"].cast("int64").to_pylist()
    assert bears["timestamp"].dt.epoch("ms").to_list() == instants
    assert ducks["timestamp"].cast(pyarrow.timestamp("ms", "UTC")).cast("int64").to_pylist() == instants


def test_folders_narrow_down_what_is_read(files: CandleFiles, folder: Path) -> None:
    save(files, dataset("00700"))
    save(files, dataset("BRK/B"))
    update(files, folder)
    pattern = f"{folder}/**/*.parquet"
    query = f"SELECT count(*) FROM read_parquet('{pattern}', hive_partitioning = true) WHERE symbol = 'BRK/B'"
    assert duckdb.sql(query).fetchall() == [(6,)]
    only = polars.scan_parquet(f"{folder}/broker=binance/interval=1m/adjustment=raw/symbol=00700/*.parquet")
    assert only.collect()["symbol"].cast(polars.String).unique().to_list() == ["00700"]


def test_an_update_writes_only_what_changed_and_reads_nothing_else(files: CandleFiles, folder: Path) -> None:
    save(files, dataset("AAA"))
    save(files, dataset("BBB"))
    update(files, folder)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}
    # Damage that only reading the whole file would find: its length and its last bytes are as before.
    unchanged = segment_of(files, dataset("AAA"), "2023-12")
    content = bytearray(unchanged.read_bytes())
    content[len(content) // 2] ^= 1
    unchanged.write_bytes(content)
    save(files, dataset("BBB"), first=3, bars=2)

    report = update(files, folder)

    assert (len(report.written), report.unchanged, report.removed, report.damaged) == (1, 3, [], {})
    changed = {path for path, at in before.items() if path.stat().st_mtime_ns != at}
    assert list(map(str, changed)) == report.written
    assert pyarrow.parquet.read_table(changed.pop()).num_rows == 5
    assert update(files, folder) == MirrorReport(unchanged=4)


def test_the_file_of_a_segment_that_is_gone_is_removed_and_so_are_empty_folders(
    files: CandleFiles, folder: Path
) -> None:
    save(files, dataset("AAA"))
    save(files, dataset("BBB"))
    update(files, folder)
    segment_of(files, dataset("AAA"), "2023-12").unlink()
    for period in ("2023-12", "2024-01"):
        segment_of(files, dataset("BBB"), period).unlink()
    report = update(files, folder)
    assert (len(report.removed), report.unchanged) == (3, 1)
    assert mirrored(folder) == ["broker=binance/interval=1m/adjustment=raw/symbol=AAA/2024-01.parquet"]
    assert not (folder / "broker=binance/interval=1m/adjustment=raw/symbol=BBB").exists()


def test_an_update_of_some_datasets_leaves_the_files_of_the_others(files: CandleFiles, folder: Path) -> None:
    save(files, dataset("AAA"))
    save(files, dataset("BBB"))
    update(files, folder)
    for symbol in ("AAA", "BBB"):
        segment_of(files, dataset(symbol), "2023-12").unlink()
    report = ParquetMirror(files.root, folder).update([dataset("AAA")])
    assert [Path(path).parent.name for path in report.removed] == ["symbol=AAA"]
    assert len(mirrored(folder)) == 3


def test_files_of_other_programs_are_never_touched(files: CandleFiles, folder: Path) -> None:
    save(files, dataset())
    update(files, folder)
    ours = folder / "broker=binance/interval=1m/adjustment=raw/symbol=BTCUSDT"
    for name in ("2024-01.parquet", "2025-01.parquet"):
        pyarrow.parquet.write_table(pyarrow.table({"x": [1]}), ours / name)
    (ours / "notes.parquet").write_text("no Parquet at all")
    save(files, dataset(), first=3, bars=1)
    foreign = {path: path.read_bytes() for path in ours.iterdir() if path.name != "2023-12.parquet"}

    report = update(files, folder)

    assert report.left_alone == [str(ours / "2024-01.parquet")]
    assert (report.written, report.removed) == ([], [])
    assert {path: path.read_bytes() for path in foreign} == foreign


def test_a_damaged_segment_is_reported_keeps_its_file_and_does_not_stop_the_others(
    files: CandleFiles, folder: Path
) -> None:
    for symbol in ("AAA", "BBB", "CCC"):
        save(files, dataset(symbol))
    update(files, folder)
    for symbol in ("AAA", "CCC"):
        save(files, dataset(symbol), first=3, bars=1)
    damaged = segment_of(files, dataset("AAA"), "2024-01")
    damaged.write_bytes(damaged.read_bytes()[:-1])

    report = update(files, folder)

    assert list(report.damaged) == [str(damaged)]
    assert str(damaged) in report.damaged[str(damaged)]
    assert (len(report.written), report.unchanged, report.removed) == (1, 4, [])
    assert len(mirrored(folder)) == 6


def test_a_span_without_bars_has_no_file(files: CandleFiles, folder: Path) -> None:
    files.save(dataset(), TimeSpan(NEW_YEAR_MS, NEW_YEAR_MS + MINUTE_MS), Candles.empty())
    assert update(files, folder) == MirrorReport()
    assert mirrored(folder) == []


def test_a_mirror_made_while_candles_are_saved_is_whole_and_the_next_one_is_up_to_date(
    files: CandleFiles, folder: Path
) -> None:
    def collect() -> None:
        for first in range(60):
            save(files, dataset(), first=first, bars=1, seed=first)

    save(files, dataset(), bars=3)
    collecting = threading.Thread(target=collect)
    collecting.start()
    while collecting.is_alive():
        assert not update(files, folder).damaged
        assert polars.read_parquet(f"{folder}/**/*.parquet").height >= 3
    update(files, folder)
    assert polars.read_parquet(f"{folder}/**/*.parquet").height == 63


def test_one_process_at_a_time_brings_a_mirror_up_to_date(files: CandleFiles, folder: Path) -> None:
    save(files, dataset())
    mirror = ParquetMirror(files.root, folder)
    with mirror._locked(), pytest.raises(StorageUnavailable, match="another process"):
        update(files, folder)
    assert len(update(files, folder).written) == 2
