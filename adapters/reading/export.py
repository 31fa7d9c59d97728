"""Export: stored candles as Parquet or CSV files, one per dataset."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from adapters.candle_store.layout import EVERYTHING, encode_name, grid_mark, interval_name
from adapters.files.atomic import make_folder, replacing
from adapters.optional import require
from adapters.reading.tables import LongTable, table_columns, value_columns
from domain.candles.candles import Candles
from domain.candles.dataset import Dataset
from domain.candles.ports import CandleRepository
from domain.errors import SettingsError
from domain.spans.time_span import TimeSpan

FORMATS = ("parquet", "csv")
_ROWS_AT_ONCE = 50_000


def export(
    candles: CandleRepository,
    datasets: Iterable[Dataset],
    span: TimeSpan | None,
    format: str,
    out_dir: Path | str,
) -> list[Path]:
    """Write one file per dataset, each atomically, and return their paths; no span means everything.

    A file is named after broker, symbol and interval (`binance_BTCUSDT_1d.csv`), and replaces an older one. One dataset
    at a time is in memory. A dataset without candles gives a file with no rows. CSV numbers read back to the same
    floats, and its times are ISO 8601 with a Z. Raises SettingsError for an unknown format or a missing library,
    CorruptSegment, StorageUnavailable.
    """
    if format not in FORMATS:
        raise SettingsError(f"{format!r} is not an export format: choose parquet or csv")
    if format == "parquet":
        require("pyarrow.parquet", "arrow")
    folder = Path(out_dir).absolute()
    make_folder(folder)
    written = []
    for dataset in dict.fromkeys(datasets):
        path = folder / f"{_file_stem(dataset)}.{format}"
        with replacing(path, path.with_name(f".{path.name}.{os.getpid()}.tmp")) as file:
            write = _write_parquet if format == "parquet" else _write_csv
            write(dataset.symbol, candles.read(dataset, span or EVERYTHING), file)
        written.append(path)
    return written


def _file_stem(dataset: Dataset) -> str:
    parts = [encode_name(dataset.broker), encode_name(dataset.symbol), interval_name(dataset.interval)]
    if dataset.variant:
        parts.append(encode_name(dataset.variant))
    parts += filter(None, [grid_mark(dataset)])
    return "_".join(parts)


def _write_parquet(symbol: str, candles: Candles, file: BinaryIO) -> None:
    parquet = require("pyarrow.parquet", "arrow")
    parquet.write_table(
        LongTable.of([(symbol, candles)]).to_arrow(), file, compression="zstd", use_dictionary=["symbol"]
    )


def _write_csv(symbol: str, candles: Candles, file: BinaryIO) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table_columns(candles))
    whole_seconds = not np.any(candles.open_time_ms % 1000)
    for first in range(0, len(candles), _ROWS_AT_ONCE):
        rows = candles.take(slice(first, first + _ROWS_AT_ONCE))
        moments = rows.open_time_ms.view("datetime64[ms]")
        times = np.datetime_as_string(moments, unit="s" if whole_seconds else "ms", timezone="UTC").tolist()
        columns = [column.tolist() for column in value_columns(rows).values()]
        writer.writerows(zip([symbol] * len(rows), times, *columns, strict=True))
    text.flush()
    text.detach()
