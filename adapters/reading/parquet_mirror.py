"""A Parquet mirror: a copy of the stored candles as files that DuckDB, polars and pandas can read.

    folder / broker=binance / interval=1m / adjustment=raw / symbol=BTCUSDT / 2024-03.parquet

One file per segment, with the columns of `LongTable`; the symbol is a column, too, because readers would turn the
folder's name 00700 into the number 700. Values in folder names are percent-encoded: BRK/B is BRK%2FB. A grid that is
not anchored at 1970 has its anchor in the file's name, a calendar grid its zone: `all@345600000.parquet`,
`all@America%2FNew_York.parquet`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import quote

from adapters.candle_store.layout import SUFFIX, grid_mark, interval_name
from adapters.candle_store.listing import fingerprint, segment_files
from adapters.candle_store.segments import read_header, read_history
from adapters.files.atomic import make_folder, replacing, storage_errors
from adapters.files.locks import locked
from adapters.optional import require
from adapters.reading.tables import LongTable
from domain.candles.dataset import Dataset
from domain.errors import CorruptSegment

SEGMENT_KEY = b"candle-collector.segment"
"""The metadata entry with the fingerprint of a file's segment. A Parquet file without it is not ours."""

_LOCK = ".candles-mirror.lock"
_PARQUET = ".parquet"


@dataclass(slots=True)
class MirrorReport:
    """The result of updating a mirror: files by their paths, and problems."""

    written: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unchanged: int = 0
    damaged: dict[str, str] = field(default_factory=dict)
    """Segments that cannot be read, and why; their files in the mirror stay as they were."""
    left_alone: list[str] = field(default_factory=list)
    """Files of others in the places of ours."""

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON types."""
        return asdict(self)


class _Outcome(StrEnum):
    WRITTEN = "written"
    UNCHANGED = "unchanged"
    EMPTY = "empty"
    LEFT_ALONE = "left_alone"


class ParquetMirror:
    """Mirrors the candle store under `root` into `folder`; raises SettingsError without pyarrow.

    Safe while jobs collect, and safe to interrupt: files are written atomically, and the next update writes what is
    missing. A segment without bars has no file.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self._parquet = require("pyarrow.parquet", "arrow")
        self._root = root
        self._folder = folder.absolute()

    def update(self, datasets: Iterable[Dataset], is_whole_store: bool = False) -> MirrorReport:
        """Update the files of these datasets; with `is_whole_store`, files of other datasets are removed.

        Segments that have not changed since are not read. Raises StorageUnavailable when the folder cannot be written,
        or when another process is updating it.
        """
        report, expected = MirrorReport(), set[Path]()
        with self._locked():
            each = list(datasets)
            work = [(dataset, segment) for dataset in each for segment in segment_files(self._root, dataset)]
            with ThreadPoolExecutor(os.cpu_count()) as threads:
                outcomes = list(threads.map(lambda one: self._mirror(*one), work))
            for (dataset, segment), outcome in zip(work, outcomes, strict=True):
                target = self._target(dataset, segment)
                if outcome is not _Outcome.EMPTY:
                    expected.add(target)
                _note(report, segment, target, outcome)
            for path in self._mirrored(None if is_whole_store else each):
                if path not in expected and self._segment_of(path):
                    self._remove(path)
                    report.removed.append(str(path))
        return report

    def _mirror(self, dataset: Dataset, segment: Path) -> _Outcome | CorruptSegment:
        target = self._target(dataset, segment)
        try:
            # Taken before the content is read: a segment that is replaced meanwhile is found changed the next time.
            current = fingerprint(segment)
            if target.exists():
                mirrored = self._segment_of(target)
                if mirrored == current:
                    return _Outcome.UNCHANGED
                if not mirrored:
                    return _Outcome.LEFT_ALONE
            if not read_header(segment, dataset).rows:
                return _Outcome.EMPTY
            self._write(target, current, LongTable.of([(dataset.symbol, read_history(segment, dataset).candles)]))
        except CorruptSegment as error:
            return error
        return _Outcome.WRITTEN

    def _write(self, target: Path, segment: str, table: LongTable) -> None:
        arrow_table = table.to_arrow()
        metadata = {**(arrow_table.schema.metadata or {}), SEGMENT_KEY: segment.encode()}
        make_folder(target.parent)
        with replacing(target) as file:
            self._parquet.write_table(
                arrow_table.replace_schema_metadata(metadata), file, compression="zstd", use_dictionary=["symbol"]
            )

    def _segment_of(self, path: Path) -> str:
        """The fingerprint in a Parquet file; empty for a file that is not the mirror's."""
        from pyarrow import ArrowInvalid

        try:
            metadata = self._parquet.read_metadata(path).metadata or {}
        except (ArrowInvalid, OSError):
            return ""
        return bytes(metadata.get(SEGMENT_KEY, b"")).decode()

    def _folder_of(self, dataset: Dataset) -> Path:
        keys = {
            "broker": dataset.broker,
            "interval": interval_name(dataset.interval),
            "adjustment": dataset.stored_variant,
            "symbol": dataset.symbol,
        }
        return self._folder.joinpath(*(f"{key}={quote(value, safe='')}" for key, value in keys.items()))

    def _target(self, dataset: Dataset, segment: Path) -> Path:
        mark = grid_mark(dataset)
        grid = f"@{mark}" if mark else ""
        return self._folder_of(dataset) / f"{segment.name.removesuffix(SUFFIX)}{grid}{_PARQUET}"

    def _mirrored(self, datasets: Sequence[Dataset] | None) -> list[Path]:
        """The Parquet files of these datasets, or of all; some may not be ours."""
        if datasets is None:
            return sorted(self._folder.glob(f"broker=*/interval=*/adjustment=*/symbol=*/*{_PARQUET}"))
        return sorted(path for dataset in datasets for path in self._folder_of(dataset).glob(f"*{_PARQUET}"))

    def _remove(self, path: Path) -> None:
        with storage_errors(path):
            path.unlink()
            for folder in list(path.parents)[:4]:
                if any(folder.iterdir()):
                    break
                folder.rmdir()

    def _locked(self) -> AbstractContextManager[None]:
        make_folder(self._folder)
        return locked(self._folder / _LOCK, 0.0, "another process is bringing this mirror up to date")


def _note(report: MirrorReport, segment: Path, target: Path, outcome: _Outcome | CorruptSegment) -> None:
    match outcome:
        case CorruptSegment():
            report.damaged[str(segment)] = str(outcome)
        case _Outcome.WRITTEN:
            report.written.append(str(target))
        case _Outcome.UNCHANGED:
            report.unchanged += 1
        case _Outcome.LEFT_ALONE:
            report.left_alone.append(str(target))
