"""The measurements of each store: bytes a candle, and the seconds of a collector's and a reader's steps."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from benchmarks.storage import arctic, bars
from benchmarks.storage.stores import (
    DuckDbStore,
    OurStore,
    SqliteStore,
    Store,
    bytes_in,
    feather_files,
    parquet_files,
    tuned_parquet,
)
from benchmarks.tables import Table
from domain.candles.candles import Candles
from domain.candles.dataset import Dataset, Interval

PAGE = 1000
MONTH = 31 * 1440
STEPS = ("write", "append", "upsert", "read")
DAYS = Dataset("bench", "DAYS", Interval("1d"))
OURS = "Candle Collector"

Opener = Callable[[Path, Dataset], Store]


@dataclass(frozen=True, slots=True)
class Samples:
    """The bars of one run: those of `sized` are measured, and saving `written`, `month` by pages and `day` is timed."""

    sized: Mapping[str, tuple[Dataset, Candles]]
    written: Candles
    month: Candles
    day: Candles

    @classmethod
    def of(cls, days: int) -> Samples:
        """Minutes of that many days and a month, and all recorded days."""
        crypto, recorded = bars.crypto_minutes(days + 31), bars.recorded_days()
        core = bars.core_of(crypto)
        sized = {
            "stock 1m": (bars.STOCK, bars.stock_minutes(days)),
            "crypto 1m": (bars.MINUTES, core),
            "crypto 1m + 4": (bars.MINUTES, crypto),
        }
        if recorded:
            sized["stock 1d"] = (DAYS, recorded["AAPL"])
        first, middle = days * 1440, (days // 2) * 1440
        day = bars.revised(core.take(slice(middle, middle + 1440)))
        return cls(sized, core.take(slice(0, first)), core.take(slice(first, first + MONTH)), day)


@dataclass(frozen=True, slots=True)
class Figures:
    """One store's results; `seconds` by step, `bytes_each` by set of bars."""

    bytes_each: Mapping[str, float]
    seconds: Mapping[str, float]


def measure(quick: bool) -> list[Table]:
    """All stores in turn, round by round; the least of each step counts."""
    samples = Samples.of(days=60 if quick else 366)
    rounds = 1 if quick else 3
    name, options = tuned_parquet(samples.written)
    openers: dict[str, Opener] = {
        OURS: OurStore,
        "Parquet, tuned": lambda folder, dataset: parquet_files(folder, dataset, **options),
        "Parquet, zstd": lambda folder, dataset: parquet_files(folder, dataset, compression="zstd"),
        "Feather, zstd": feather_files,
        "DuckDB": DuckDbStore,
        "SQLite": SqliteStore,
    }
    runs = [{store: _seconds(opener, samples) for store, opener in openers.items()} for _ in range(rounds)]
    figures = {
        store: Figures(_bytes_each(opener, samples), {step: min(run[store][step] for run in runs) for step in STEPS})
        for store, opener in openers.items()
    }
    note = (
        "Bytes: generated minutes of a stock and of a crypto pair, the pair with the 4 columns that Binance adds, and "
        f"the recorded days of one stock. Write: {len(samples.written):,} one-minute bars of the pair. Append: one of "
        f"the {PAGE:,}-bar pages of the month after, on average. Upsert: one day in the middle, other volumes; ours "
        "keeps the old ones as well. Read: everything to numpy; ours verifies a checksum over all of it. Every save is "
        f"durable (fsync, or a synchronous commit). Tuned Parquet: {name}, the smallest of 12 ways tried on these bars."
    )
    try:
        figures["ArcticDB"] = _arctic(samples, rounds)
        note += f" ArcticDB {arctic.VERSION} on LMDB, in a process of its own."
    except arctic.NoArctic as error:
        note += f" ArcticDB was skipped: {error}."
    return [_table(figures, list(samples.sized), note)]


def _seconds(opener: Opener, samples: Samples) -> dict[str, float]:
    pages = [samples.month.take(slice(first, first + PAGE)) for first in range(0, len(samples.month), PAGE)]
    with tempfile.TemporaryDirectory(prefix="candles-bench-") as name:
        store = opener(Path(name), bars.MINUTES)
        try:
            written = _timed(lambda: store.save(samples.written))
            appended = _timed(lambda: [store.save(page) for page in pages]) / len(pages)
            upserted = _timed(lambda: store.save(samples.day))
            read = _timed(store.read)
            if not store.read().identical(samples.written.merge(samples.month).merge(samples.day)):
                raise RuntimeError(f"{store} returned other candles than were saved")
        finally:
            store.close()
    return {"write": written, "append": appended, "upsert": upserted, "read": read}


def _bytes_each(opener: Opener, samples: Samples) -> dict[str, float]:
    found = {}
    for title, (dataset, candles) in samples.sized.items():
        with tempfile.TemporaryDirectory(prefix="candles-bench-") as name:
            store = opener(Path(name), dataset)
            store.save(candles)
            store.close()
            found[title] = bytes_in(Path(name)) / len(candles)
    return found


def _arctic(samples: Samples, rounds: int) -> Figures:
    python = arctic.environment(platformdirs.user_cache_path("candle-collector") / f"arcticdb-{arctic.VERSION}")
    sets = {title: candles for title, (_, candles) in samples.sized.items()}
    sets |= {"written": samples.written, "month": samples.month, "day": samples.day}
    arrays: dict[str, Any] = {
        f"{title}/{column}": values for title, candles in sets.items() for column, values in candles.columns().items()
    }
    with tempfile.TemporaryDirectory(prefix="candles-bench-") as name:
        path = Path(name) / "bars.npz"
        np.savez(path, **arrays)
        found = arctic.measured(python, path, PAGE, rounds)
    sizes = {title: size / len(sets[title]) for title, size in found["bytes"].items()}
    return Figures(sizes, found["seconds"])


def _table(figures: Mapping[str, Figures], titles: list[str], note: str) -> Table:
    columns = ("store", *titles, *STEPS)
    rows = [
        (
            store,
            *(f"{found.bytes_each[title]:.1f}" for title in titles),
            *(f"{1000 * found.seconds[step]:,.1f}" for step in STEPS),
        )
        for store, found in figures.items()
    ]
    return Table("Candle stores: bytes a candle, then milliseconds", columns, rows, note)


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
