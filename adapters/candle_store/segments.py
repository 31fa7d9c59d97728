"""One segment file on disk: read whole or by its header, merged into, moved aside when damaged."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from adapters.candle_store.format.header import SegmentHeader, read_front
from adapters.candle_store.format.scratch import Scratch
from adapters.candle_store.format.segment import PackedSegment, Segment, encode
from adapters.candle_store.layout import EVERYTHING, SUFFIX, period_of, split
from adapters.files.atomic import TEMPORARY_SUFFIX, replacing, storage_errors, sync_folder
from domain.candles.candles import Candles
from domain.candles.dataset import Dataset
from domain.candles.history import CandleHistory, SaveResult
from domain.candles.span_states import NO_STATES, SpanStates
from domain.errors import CorruptSegment, StorageError, StorageUnavailable
from domain.spans.grid import FixedGrid
from domain.spans.time_span import TimeSpan

CORRUPT_SUFFIX = ".corrupt"


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """One file's part of what a broker answered."""

    asked: TimeSpan
    candles: Candles
    provisional_from_ms: int | None
    as_of_ms: int
    states: SpanStates = NO_STATES
    source: str = ""

    def given_to(self, before: CandleHistory) -> CandleHistory:
        """What it makes of what was known before."""
        return before.with_answer(
            self.asked, self.candles, self.provisional_from_ms, self.as_of_ms, self.states, self.source
        )


def read_history(path: Path, dataset: Dataset) -> CandleHistory:
    """All that the file holds. Raises CorruptSegment, also for a file of another dataset or period."""
    return read_packed(path, dataset, Scratch()).history()


def read_packed(path: Path, dataset: Dataset, scratch: Scratch) -> PackedSegment:
    """The same, checked and not decoded yet. Raises CorruptSegment, also for a file of another dataset or period."""
    with storage_errors(path), _named(path, dataset):
        segment = PackedSegment(path.read_bytes(), str(path), scratch)
        _refuse_stranger(path, segment.header, dataset)
    return segment


def read_header(path: Path, dataset: Dataset) -> SegmentHeader:
    """What the file says of itself. Raises CorruptSegment, also for a file of another dataset or period."""
    with storage_errors(path), _named(path, dataset), path.open("rb") as file:
        header = read_front(file, os.fstat(file.fileno()).st_size, str(path))
        _refuse_stranger(path, header, dataset)
    return header


def merge_into(path: Path, dataset: Dataset, answer: Answer) -> SaveResult:
    """Merge an answer into the file, under its folder's lock; it is written only if that changes it."""
    with storage_errors(path):
        is_new = not path.exists()
    before = CandleHistory(dataset.grid) if is_new else read_history(path, dataset)
    with _one_grid(path):
        before = before.knowing(dataset.grid)
    after = answer.given_to(before)
    if after.identical(before):
        return SaveResult(0, 0)
    with replacing(path) as file:
        file.write(encode(Segment(dataset, after)))
    return after.compared_to(before)


def sweep(folder: Path) -> None:
    """Remove what killed writers left; under the folder's lock nobody else writes."""
    with storage_errors(folder):
        for left_over in folder.glob(f"*{SUFFIX}{TEMPORARY_SUFFIX}"):
            left_over.unlink(missing_ok=True)


def move_aside(path: Path) -> Path:
    """Give the file a name that no reader takes for a segment, one that is free, durably; tell which."""
    with storage_errors(path):
        names = (path.with_name(f"{path.name}{CORRUPT_SUFFIX}{number or ''}") for number in count())
        aside = next(name for name in names if not name.exists())
        path.rename(aside)
        sync_folder(path.parent)
    return aside


def lost_with(path: Path, dataset: Dataset) -> TimeSpan:
    """From the first to the last moment that a damaged file answered; all it may have, if its header is gone, too."""
    try:
        with path.open("rb") as file:
            header = read_front(file, path.stat().st_size, str(path))
        if header.dataset == dataset and _is_named_for(path, header.dataset, header.extent):
            return header.extent
    except (OSError, StorageError):
        pass
    period = period_of(path) or EVERYTHING
    return dataset.align(period) if dataset.grid.known.covers(period) else period


def known_together(dataset: Dataset, headers: Sequence[tuple[Path, SegmentHeader]]) -> Dataset:
    """The dataset, whose calendar knows what its files know, too. Raises StorageUnavailable where they differ."""
    grid = dataset.grid
    if isinstance(grid, FixedGrid):
        return dataset
    for path, header in headers:
        with _one_grid(path):
            grid = grid.joined(header.dataset.grid)
    return dataset if grid is dataset.grid else replace(dataset, grid=grid)


def stored_grid(dataset: Dataset, paths: Iterable[Path]) -> Dataset:
    """The dataset, whose calendar knows what is stored; what cannot be read is left out."""
    headers = []
    for path in paths:
        with suppress(StorageError):
            headers.append((path, read_header(path, dataset)))
    return known_together(dataset, headers)


@contextmanager
def _one_grid(path: Path) -> Iterator[None]:
    """Bars that open elsewhere than they did are no damage: another edition of the zone's history has them so."""
    try:
        yield
    except ValueError as error:
        raise StorageUnavailable(str(path), f"its calendar is another edition than this program's: {error}") from error


@contextmanager
def _named(path: Path, dataset: Dataset) -> Iterator[None]:
    """Lets damage be told with what is lost by it."""
    try:
        yield
    except CorruptSegment as error:
        lost = lost_with(path, dataset)
        told = "all of its history" if lost.duration_ms > EVERYTHING.duration_ms // 2 else str(lost)
        raise CorruptSegment(error.path, error.reason, dataset.symbol, told) from error


def _refuse_stranger(path: Path, found: SegmentHeader, expected: Dataset) -> None:
    if found.dataset != expected:
        raise CorruptSegment(str(path), f"it holds {found.dataset}, which belongs elsewhere")
    if not _is_named_for(path, found.dataset, found.extent):
        raise CorruptSegment(str(path), f"it holds {found.extent}, which belongs into a file of another name")


def _is_named_for(path: Path, found: Dataset, extent: TimeSpan) -> bool:
    """Whether what a file answers lies in the period it is named for: nobody looks for it elsewhere."""
    return not extent or next(split(found, extent), None) == (path.name, extent)
