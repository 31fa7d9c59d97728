"""CandleFiles: the candle repository on a file system."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import reduce
from operator import or_
from pathlib import Path

from adapters.candle_store.block import CandleBlock
from adapters.candle_store.claims import DatasetClaim
from adapters.candle_store.format.header import SegmentHeader
from adapters.candle_store.format.scratch import Scratch
from adapters.candle_store.layout import EVERYTHING, SUFFIX, dataset_of, folder_of, period_of, split
from adapters.candle_store.objects.local import LocalObjects
from adapters.candle_store.ordered_threads import map_in_order
from adapters.candle_store.quarantine import FILE_NAME, QuarantineFile
from adapters.candle_store.segments import (
    Answer,
    known_together,
    lost_with,
    merge_into,
    move_aside,
    read_header,
    read_history,
    read_packed,
    stored_grid,
)
from adapters.files.atomic import storage_errors
from domain.candles.candles import Candles
from domain.candles.coverage import Coverage
from domain.candles.dataset import Dataset, in_order
from domain.candles.history import ALWAYS_KNOWN_MS, CandleHistory, SaveResult
from domain.candles.ports import CandlePiece, DamagedSegment
from domain.candles.revisions import Revisions
from domain.candles.span_states import NO_STATES, SpanStates
from domain.candles.validation import QuarantinedCandle
from domain.errors import CorruptSegment
from domain.spans.grid import FixedGrid
from domain.spans.time_span import TimeSpan

_MOST_READING_THREADS = 8


class CandleFiles:
    """Candles under a root folder, laid out as `layout` says; picklable, holds nothing open.

    Any number of threads and processes may save and read at once: a save replaces only the version of a file that
    it has merged with, and a reader needs no lock, since files are only ever replaced whole. Spans are taken on the
    dataset's grid. Every method raises StorageUnavailable when the disk refuses.
    """

    def __init__(self, root: Path | str, lock_timeout_seconds: float = 60.0) -> None:
        self.root = Path(root).absolute()
        self.lock_timeout_seconds = lock_timeout_seconds

    def coverage(self, dataset: Dataset, span: TimeSpan) -> Coverage:
        """What is known of the span, by state, from the files' headers alone.

        Raises CorruptSegment for a file cut short or damaged in its header.
        """
        headers = [(path, read_header(path, dataset)) for path in self._files(dataset, span)]
        aligned = known_together(dataset, headers).align(span)
        asked, runs, provisional = (
            [piece for _, header in headers for piece in getattr(header, name)]
            for name in ("asked", "runs", "provisional")
        )
        states = reduce(or_, (header.states for _, header in headers), NO_STATES)
        return Coverage.from_runs(aligned, asked, runs, provisional, states)

    def save(
        self,
        dataset: Dataset,
        asked: TimeSpan,
        candles: Candles,
        provisional_from_ms: int | None = None,
        as_of_ms: int = ALWAYS_KNOWN_MS,
        states: SpanStates = NO_STATES,
        source: str = "",
    ) -> SaveResult:
        """Add candles and note that `asked` was answered; ValueError for candles outside of it or off the grid.

        A save over several files writes one after another, each with its own part of `asked`: a crash in
        between leaves what was written, and the rest missing.
        """
        if len(candles.within(asked)) != len(candles):
            raise ValueError(f"{dataset.symbol}: candles outside of the span asked for, {asked}")
        parts = list(split(dataset, asked))
        if not parts:
            return SaveResult(0, 0)
        folder, objects = folder_of(self.root, dataset), self._objects(dataset)
        provisional_ms = None if provisional_from_ms is None else dataset.ceil_ms(provisional_from_ms)
        results = []
        for name, part in parts:
            answer = Answer(part, candles.within(part), provisional_ms, as_of_ms, states.within(part), source)
            results.append(merge_into(objects, folder / name, dataset, answer))
        return SaveResult(sum(one.added for one in results), sum(one.replaced for one in results))

    def quarantine(self, dataset: Dataset, bad: Sequence[QuarantinedCandle]) -> None:
        """Keep refused candles as JSON lines beside the candles; the same bar and reason is kept once."""
        if not bad:
            return
        with self._objects(dataset).locked(FILE_NAME):
            QuarantineFile(folder_of(self.root, dataset)).add(bad)

    def quarantined(self, dataset: Dataset) -> list[QuarantinedCandle]:
        """The refused candles kept so far, oldest first. Raises CorruptSegment."""
        return QuarantineFile(folder_of(self.root, dataset)).read()

    def read(self, dataset: Dataset, span: TimeSpan, as_of_ms: int | None = None) -> Candles:
        """The stored candles of the span, or as they were known at a moment. Raises CorruptSegment."""
        block = CandleBlock(self.rows_at_most([dataset], span))
        for _, piece in self.read_pieces([dataset], span, as_of_ms):
            block.append(piece)
        return Candles.from_columns(block.columns() or Candles.empty().columns())

    def read_pieces(
        self, datasets: Sequence[Dataset], span: TimeSpan, as_of_ms: int | None = None
    ) -> Iterator[tuple[Dataset, CandlePiece]]:
        """The same of each dataset, file by file. Raises CorruptSegment.

        Threads read and check a few files ahead, on all cores but one. Whole files are decoded by the caller, who
        knows where the candles go: decoding is many short steps, and threads would wait for each other's lock.
        """
        scratch = Scratch()

        def read(file: tuple[Path, Dataset]) -> tuple[Dataset, CandlePiece]:
            path, dataset = file
            segment = read_packed(path, dataset, scratch)
            is_cut = _is_cut(segment.header, span)
            # A file without bars is decoded here: no caller decodes it, so its damage would go unnoticed.
            if as_of_ms is None and len(segment) and not is_cut:
                return dataset, segment
            history = segment.history()
            candles = history.candles if as_of_ms is None else history.as_of(as_of_ms)
            return dataset, candles.within(span)

        files = [(path, dataset) for dataset in datasets for path in self._files(dataset, span)]
        other_cores = (os.cpu_count() or 1) - 1
        return map_in_order(read, files, min(max(1, other_cores), _MOST_READING_THREADS))

    def rows_at_most(self, datasets: Sequence[Dataset], span: TimeSpan) -> int:
        """The most candles that `read_pieces` can give, from the files' headers alone. Raises CorruptSegment."""
        rows = 0
        for dataset in datasets:
            stored = sum(read_header(path, dataset).rows for path in self._files(dataset, span))
            # What a calendar has in a span only its files may know.
            rows += min(stored, dataset.bars_in(span)) if isinstance(dataset.grid, FixedGrid) else stored
        return rows

    def revisions(self, dataset: Dataset, span: TimeSpan) -> Revisions:
        """What the broker changed of the span's bars after they were stored. Raises CorruptSegment."""
        return Revisions.concatenate([history.revisions(span) for history in self._histories(dataset, span)])

    def collecting(self, dataset: Dataset) -> DatasetClaim:
        """The claim to collect the dataset, not taken yet; it dies with its process."""
        return DatasetClaim(folder_of(self.root, dataset) / ".collecting")

    def damaged(self, dataset: Dataset) -> list[DamagedSegment]:
        """The files that are not what was written, by reading them all."""
        found = (_damage(path, dataset) for path in self._files(dataset, EVERYTHING))
        return [damage for damage in found if damage]

    def set_aside(self, dataset: Dataset) -> list[DamagedSegment]:
        """Rename the damaged files to `*.corrupt`: their spans are missing again, and nothing is deleted.

        A file in a newer format is no damaged one; it raises StorageUnavailable.
        """
        damaged = self.damaged(dataset)
        if damaged:
            with self._objects(dataset).locked(Path(damaged[0].path).name):
                # A writer may have replaced one meanwhile: what it put there is whole.
                damaged = self.damaged(dataset)
                for damage in damaged:
                    move_aside(Path(damage.path))
        return damaged

    def datasets(self) -> list[Dataset]:
        """Every dataset with an answer stored, sorted; told by the folders.

        Only where a calendar has bars open is read from files, as far as they can be read.
        """
        with storage_errors(self.root):
            folders = sorted({path.parent for path in self.root.glob(f"*/*/*/*/*{SUFFIX}")})
        found = [self._dataset_in(folder) for folder in folders]
        return sorted(found, key=in_order)

    def _dataset_in(self, folder: Path) -> Dataset:
        try:
            dataset = dataset_of(self.root, folder)
        except ValueError as error:
            raise CorruptSegment(str(folder), f"it is no dataset's folder ({error})") from error
        if isinstance(dataset.grid, FixedGrid):
            return dataset
        return stored_grid(dataset, self._files(dataset, EVERYTHING))

    def _histories(self, dataset: Dataset, span: TimeSpan) -> list[CandleHistory]:
        return [read_history(path, dataset) for path in self._files(dataset, span)]

    def _files(self, dataset: Dataset, span: TimeSpan) -> list[Path]:
        folder = folder_of(self.root, dataset)
        with storage_errors(folder):
            if not folder.is_dir():
                return []
            paths = sorted(path for path in folder.iterdir() if path.suffix == SUFFIX)
        return [path for path in paths if _may_hold(path, span)]

    def _objects(self, dataset: Dataset) -> LocalObjects:
        return LocalObjects(folder_of(self.root, dataset), self.lock_timeout_seconds)


def _damage(path: Path, dataset: Dataset) -> DamagedSegment | None:
    try:
        read_history(path, dataset)
    except CorruptSegment as error:
        return DamagedSegment(error.path, error.reason, lost_with(path, dataset))
    return None


def _may_hold(path: Path, span: TimeSpan) -> bool:
    """Whether a bar may open in both the file's period and the span."""
    period = period_of(path)
    return period is not None and bool(period.intersect(span))


def _is_cut(header: SegmentHeader, span: TimeSpan) -> bool:
    """Whether the file has bars that open outside of the span."""
    bars = header.runs.extent
    if span.covers(bars):
        return False
    common = span.intersect(bars)
    return not common or not header.dataset.align(common).covers(bars)
