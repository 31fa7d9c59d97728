"""A year of minute bars into pandas, polars and Arrow: our reader beside tuned Parquet, in the same run."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pyarrow.parquet as parquet

from adapters.candle_store.repository import CandleFiles
from adapters.reading.parquet_mirror import ParquetMirror
from adapters.reading.reader import CandleReader
from benchmarks.tables import Table
from domain.candles.candles import Candles
from domain.candles.dataset import Dataset, Interval
from domain.spans.time_span import TimeSpan

MINUTE_MS = 60_000
NEW_YEAR_MS = 1_704_067_200_000
YEAR = 525_600
SYMBOL = "BTCUSDT"
DATASET = Dataset("binance", SYMBOL, Interval("1m"))
ROW_GROUP = 131_072


def measure(rounds: int) -> Table:
    """Every contender once a round, in turn, so that a slow machine slows them all."""
    with tempfile.TemporaryDirectory(prefix="candles-bench-") as name:
        contenders, sizes = _contenders(Path(name))
        for read in contenders.values():
            assert len(read()) == YEAR
        seconds: dict[str, list[float]] = {contender: [] for contender in contenders}
        for _ in range(rounds):
            for contender, read in contenders.items():
                began_at = time.perf_counter()
                read()
                seconds[contender].append(time.perf_counter() - began_at)
    medians = {contender: statistics.median(times) for contender, times in seconds.items()}
    reference = medians["Parquet, plain: pyarrow to pandas"]
    rows = [
        (
            contender,
            f"{1000 * median:.0f} ms",
            f"{1000 * min(seconds[contender]):.0f} ms",
            f"{median / reference:.2f}",
            f"{next(size for store, size in sizes.items() if contender.startswith(store)) / YEAR:.1f}",
        )
        for contender, median in medians.items()
    ]
    note = (
        f"525,600 minute bars of a crypto pair, nine columns of values; {rounds} rounds in turn, files in the page "
        "cache. "
        f"Parquet: zstd, row groups of {ROW_GROUP:,}, one file; plain: dictionaries off; split: byte stream split and "
        "deltas. The last but one column is the median against plain Parquet read into pandas."
    )
    return Table("Reading a year of minute bars", ("reader", "median", "best", "ratio", "bytes/bar"), rows, note)


def _contenders(folder: Path) -> tuple[dict[str, Callable[[], Any]], dict[str, int]]:
    """What reads the year, and what each store takes on disk; a contender's name begins with its store's."""
    files = CandleFiles(folder / "store")
    files.save(DATASET, TimeSpan(NEW_YEAR_MS, NEW_YEAR_MS + YEAR * MINUTE_MS), a_year())
    reader = CandleReader(files)
    table = reader.to_arrow(SYMBOL)
    plain, split = folder / "plain.parquet", folder / "split.parquet"
    kind = {"compression": "zstd", "row_group_size": ROW_GROUP, "use_dictionary": ["symbol"]}
    parquet.write_table(table, plain, **kind)
    encodings = {
        field.name: "BYTE_STREAM_SPLIT" if str(field.type) == "double" else "DELTA_BINARY_PACKED"
        for field in table.schema
        if field.name != "symbol"
    }
    parquet.write_table(table, split, column_encoding=encodings, **kind)
    ParquetMirror(files.root, folder / "mirror").update(files.datasets(), is_whole_store=True)
    mirrored = f"{folder}/mirror/**/*.parquet"
    sizes = {
        "CandleReader": _bytes(folder / "store", "*.candles"),
        "Parquet, plain": plain.stat().st_size,
        "Parquet, split": split.stat().st_size,
        "mirror": _bytes(folder / "mirror", "*.parquet"),
    }
    return {
        "CandleReader: numpy": lambda: reader.candles(SYMBOL),
        "CandleReader: pandas": lambda: reader.to_pandas(SYMBOL),
        "CandleReader: polars": lambda: reader.to_polars(SYMBOL),
        "CandleReader: Arrow": lambda: reader.to_arrow(SYMBOL),
        "Parquet, plain: pyarrow to pandas": lambda: parquet.read_table(plain).to_pandas(),
        "Parquet, split: pyarrow to pandas": lambda: parquet.read_table(split).to_pandas(),
        "Parquet, plain: polars": lambda: polars.read_parquet(plain),
        "Parquet, split: polars": lambda: polars.read_parquet(split),
        "mirror: polars": lambda: polars.scan_parquet(mirrored, hive_partitioning=True).collect(),
    }, sizes


def a_year() -> Candles:
    """A pair's year as an exchange has it: prices in cents, volumes with five decimals, and its extra columns."""
    numbers = np.random.default_rng(7)
    close = np.round(40_000 + np.cumsum(numbers.normal(0, 8, YEAR)), 2)
    opens = np.concatenate((close[:1], close[:-1]))
    high = np.round(np.maximum(opens, close) + np.abs(numbers.normal(0, 4, YEAR)), 2)
    low = np.round(np.minimum(opens, close) - np.abs(numbers.normal(0, 4, YEAR)), 2)
    volume, taken = np.round(numbers.lognormal(2, 1, YEAR), 5), numbers.uniform(0.3, 0.7, YEAR)
    extras = {
        "quote_volume": np.round(volume * close, 2),
        "trade_count": numbers.poisson(300, YEAR).astype(np.int64),
        "taker_buy_base_volume": np.round(volume * taken, 5),
        "taker_buy_quote_volume": np.round(volume * taken * close, 2),
    }
    return Candles(NEW_YEAR_MS + np.arange(YEAR) * MINUTE_MS, opens, high, low, close, volume, extras)


def _bytes(folder: Path, pattern: str) -> int:
    return sum(path.stat().st_size for path in folder.rglob(pattern))
