"""CandleFiles: the candle repository on a file system."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from adapters.atomic_file import make_folder, replacing, storage_errors, temporary_of
from adapters.candle_layout import SUFFIX, dataset_of, folder_of, period_of, split
from adapters.candle_quarantine import QuarantineFile
from adapters.candle_segments import Segment, SegmentHeader, decode, encode, read_header
from domain.candles import Candles, Dataset
from domain.coverage import Coverage
from domain.errors import CorruptSegment, StorageUnavailable
from domain.ports import SaveResult
from domain.timespan import TimeSpan, union
from domain.validation import QuarantinedCandle

_LOCK_POLL_SECONDS = 0.005


class CandleFiles:
    """Candles under a root folder, laid out as `candle_layout` says; picklable, holds nothing open.

    Any number of threads and processes may save and read at once: a save takes the lock of its dataset's
    folder, a reader needs none, since files are only ever replaced whole. Spans are taken on the
    dataset's grid. Every method raises StorageUnavailable when the disk refuses.
    """

    def __init__(self, root: Path | str, lock_timeout_seconds: float = 60.0) -> None:
        self.root = Path(root).absolute()
        self.lock_timeout_seconds = lock_timeout_seconds

    def coverage(self, dataset: Dataset, span: TimeSpan) -> Coverage:
        """What of the span is stored or confirmed empty, from the files' headers alone.

        Raises CorruptSegment for a file cut short or damaged in its header.
        """
        aligned = dataset.align(span)
        asked: list[TimeSpan] = []
        runs: list[TimeSpan] = []
        for path in self._files(dataset, aligned):
            header = _header(path, dataset)
            asked += header.asked
            runs += header.runs
        return Coverage.from_runs(aligned, asked, runs)

    def save(self, dataset: Dataset, asked: TimeSpan, candles: Candles) -> SaveResult:
        """Add candles and note that `asked` was answered; ValueError for candles outside of it or off the grid.

        A save over several files writes one after another, each with its own part of `asked`: a crash in
        between leaves what was written, and the rest missing.
        """
        if len(candles.within(asked)) != len(candles):
            raise ValueError(f"{dataset.symbol}: candles outside of the span asked for, {asked}")
        parts = list(split(dataset, asked))
        if not parts:
            return SaveResult(0, 0)
        folder = folder_of(self.root, dataset)
        with self._locked(folder):
            results = [_upsert(folder / name, dataset, part, candles.within(part)) for name, part in parts]
        return SaveResult(sum(one.added for one in results), sum(one.replaced for one in results))

    def quarantine(self, dataset: Dataset, bad: Sequence[QuarantinedCandle]) -> None:
        """Keep refused candles as JSON lines beside the candles; the same bar and reason is kept once."""
        if not bad:
            return
        folder = folder_of(self.root, dataset)
        with self._locked(folder):
            QuarantineFile(folder).add(bad)

    def quarantined(self, dataset: Dataset) -> list[QuarantinedCandle]:
        """The refused candles kept so far, oldest first. Raises CorruptSegment."""
        return QuarantineFile(folder_of(self.root, dataset)).read()

    def read(self, dataset: Dataset, span: TimeSpan) -> Candles:
        """The stored candles of the span. Raises CorruptSegment."""
        files = self._files(dataset, dataset.align(span))
        return Candles.concatenate([_segment(path, dataset).candles.within(span) for path in files])

    def datasets(self) -> list[Dataset]:
        """Every dataset with an answer stored, sorted; told by the folders, no file is opened."""
        with storage_errors(self.root):
            folders = sorted({path.parent for path in self.root.glob(f"*/*/*/*/*{SUFFIX}")})
        found = [self._dataset_in(folder) for folder in folders]
        return sorted(found, key=lambda one: (one.broker, one.symbol, str(one.interval), one.adjustment, one.anchor_ms))

    def _dataset_in(self, folder: Path) -> Dataset:
        try:
            return dataset_of(self.root, folder)
        except ValueError as error:
            raise CorruptSegment(str(folder), f"it is no dataset's folder ({error})") from error

    def _files(self, dataset: Dataset, span: TimeSpan) -> list[Path]:
        folder = folder_of(self.root, dataset)
        with storage_errors(folder):
            if not folder.is_dir():
                return []
            paths = sorted(path for path in folder.iterdir() if path.suffix == SUFFIX)
        return [path for path in paths if _may_hold(path, dataset, span)]

    @contextmanager
    def _locked(self, folder: Path) -> Iterator[None]:
        make_folder(folder)
        lock = FileLock(folder / ".lock", timeout=self.lock_timeout_seconds, poll_interval=_LOCK_POLL_SECONDS)
        with storage_errors(folder):
            try:
                lock.acquire()
            except Timeout:
                reason = f"another writer has held it for {self.lock_timeout_seconds:g} s"
                raise StorageUnavailable(str(folder), reason) from None
        try:
            yield
        finally:
            lock.release()


def _may_hold(path: Path, dataset: Dataset, span: TimeSpan) -> bool:
    period = period_of(path)
    return period is not None and bool(dataset.align(period).intersect(span))


def _upsert(path: Path, dataset: Dataset, asked: TimeSpan, newer: Candles) -> SaveResult:
    """Merge into one file under its lock; the file is written only if that changes it."""
    with storage_errors(path):
        temporary_of(path).unlink(missing_ok=True)
        before = _segment(path, dataset) if path.exists() else Segment(dataset, (), Candles.empty())
    after = Segment(dataset, tuple(union((*before.asked, asked))), before.candles.merge(newer))
    if after.asked == before.asked and after.candles.identical(before.candles):
        return SaveResult(0, 0)
    with replacing(path) as file:
        file.write(encode(after))
    return SaveResult(len(after.candles) - len(before.candles), _replaced(before.candles, newer))


def _replaced(before: Candles, newer: Candles) -> int:
    """How many bars there were already with other values."""
    _, olds, news = np.intersect1d(before.open_time_ms, newer.open_time_ms, assume_unique=True, return_indices=True)
    old, new = before.take(olds), newer.take(news)
    if old.columns().keys() != new.columns().keys():
        return len(olds)
    changed = np.zeros(len(olds), np.bool_)
    for name, column in old.columns().items():
        changed |= column.view(np.int64) != new.columns()[name].view(np.int64)
    return int(np.count_nonzero(changed))


def _segment(path: Path, dataset: Dataset) -> Segment:
    with storage_errors(path):
        data = path.read_bytes()
    segment = decode(data, str(path))
    _refuse_stranger(path, segment.dataset, dataset)
    return segment


def _header(path: Path, dataset: Dataset) -> SegmentHeader:
    with storage_errors(path), path.open("rb") as file:
        header = read_header(file, os.fstat(file.fileno()).st_size, str(path))
    _refuse_stranger(path, header.dataset, dataset)
    return header


def _refuse_stranger(path: Path, found: Dataset, expected: Dataset) -> None:
    if found != expected:
        raise CorruptSegment(str(path), f"it holds {found}, which belongs elsewhere")
