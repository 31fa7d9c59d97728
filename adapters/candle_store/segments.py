"""One segment file on disk: read whole or by its header, merged into, moved aside when damaged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from adapters.candle_store.format.header import FIRST_READ_BYTES, SegmentHeader, read_front
from adapters.candle_store.format.scratch import Scratch
from adapters.candle_store.format.segment import PackedSegment, Segment, encode
from adapters.candle_store.layout import EVERYTHING, period_of, split
from adapters.candle_store.objects.base import ObjectStore, VersionConflict
from adapters.candle_store.objects.local import LocalObjects
from adapters.candle_store.objects.parts import ObjectParts
from adapters.files.atomic import storage_errors, sync_folder
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
    found = LocalObjects(path.parent).get(path.name)
    if found is None:
        raise _gone(path)
    return _checked(path, dataset, found.content, scratch)


def read_header(path: Path, dataset: Dataset) -> SegmentHeader:
    """What the file says of itself. Raises CorruptSegment, also for a file of another dataset or period."""
    with _named(path, dataset):
        header = front_of(LocalObjects(path.parent), path)
        _refuse_stranger(path, header, dataset)
    return header


def merge_into(objects: ObjectStore, path: Path, dataset: Dataset, answer: Answer) -> SaveResult:
    """Merge an answer into the file, which is written only if that changes it.

    Who was quicker meanwhile is merged with, so that no write is lost.
    """
    while True:
        found = objects.get(path.name)
        if found is None:
            before = CandleHistory(dataset.grid)
        else:
            before = _checked(path, dataset, found.content, Scratch()).history()
        with _one_grid(path):
            before = before.knowing(dataset.grid)
        after = answer.given_to(before)
        if after.identical(before):
            return SaveResult(0, 0)
        with suppress(VersionConflict):
            objects.put_if(path.name, encode(Segment(dataset, after)), found.version if found else None)
            return after.compared_to(before)


def move_aside(path: Path) -> Path:
    """Rename the file, durably, to a free name that no reader takes for a segment; returns it."""
    with storage_errors(path):
        names = (path.with_name(f"{path.name}{CORRUPT_SUFFIX}{number or ''}") for number in count())
        aside = next(name for name in names if not name.exists())
        path.rename(aside)
        sync_folder(path.parent)
    return aside


def lost_with(path: Path, dataset: Dataset) -> TimeSpan:
    """From the first to the last moment that a damaged file had answers for; its whole period if its header is gone."""
    try:
        header = front_of(LocalObjects(path.parent), path)
        if header.dataset == dataset and _is_named_for(path, header.dataset, header.extent):
            return header.extent
    except StorageError:
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


def _checked(path: Path, dataset: Dataset, content: bytes, scratch: Scratch) -> PackedSegment:
    with _named(path, dataset):
        segment = PackedSegment(content, str(path), scratch)
        _refuse_stranger(path, segment.header, dataset)
    return segment


def front_of(objects: ObjectStore, path: Path) -> SegmentHeader:
    """What the file says of itself, whoever may replace it meanwhile; raises CorruptSegment."""
    while True:
        first = objects.get_range(path.name, 0, FIRST_READ_BYTES)
        if first is None:
            raise _gone(path)
        with suppress(VersionConflict):
            return read_front(ObjectParts(objects, path.name, first), first.size, str(path))


def _gone(path: Path) -> StorageUnavailable:
    return StorageUnavailable(str(path), "it was there a moment ago")


@contextmanager
def _named(path: Path, dataset: Dataset) -> Iterator[None]:
    """Adds to the error of a damaged file what is lost with it."""
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
    """Whether a file's answers lie in the period it is named for: readers look for them nowhere else."""
    return not extent or next(split(found, extent), None) == (path.name, extent)
