"""The candle file format, versions 2 and 3: one dataset's bars of one period, and all that is known of them.

    preamble   magic, version, length of the header, length of the body        (24 bytes)
    header     msgpack: dataset, spans asked, provisional spans, runs of consecutive bars, counts; what else is
               known of spans; in version 3, for calendar grids, where bars open
    checksum   of preamble and header                                          (16 bytes, BLAKE2b)
    body       msgpack: columns, older values, since when spans are known; byte planes in zstd frames
    checksum   of everything before                                            (16 bytes, BLAKE2b)

docs/segment-format.md says it so that another reader can be written. Coverage needs the front alone.
What was written comes back bit for bit: -0.0, NaN and its payload.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import index
from typing import Any

import msgpack
import numpy as np
from msgpack import UnpackException
from numpy.typing import NDArray
from zstandard import ZstdError

from adapters.candle_store.block import new_columns
from adapters.candle_store.format.columns import dtypes, pack, unpack, unpack_into
from adapters.candle_store.format.header import (
    CHECKSUM_BYTES,
    SegmentHeader,
    check_whole,
    checksum,
    extent_of,
    lengths,
    pack_front,
    unpack_front,
)
from adapters.candle_store.format.scratch import Scratch
from domain.candles.candles import CORE_COLUMNS, Candles, Column, RawCandles
from domain.candles.dataset import Dataset
from domain.candles.history import CandleHistory
from domain.candles.known_spans import KnownSpans
from domain.candles.revisions import ReplacedBars
from domain.errors import CorruptSegment
from domain.spans.calendar_grid import CalendarGrid
from domain.spans.grid import FixedGrid, Grid
from domain.spans.span_set import SpanSet

_REPLACED_AT = "replaced_at_ms"


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """One file's content: a dataset, and the history of its candles in one period."""

    dataset: Dataset
    history: CandleHistory


def encode(segment: Segment) -> bytes:
    """The file's bytes; the same segment always gives the same ones. ValueError for what is off the grid."""
    history = segment.history
    if history.grid != segment.dataset.grid:
        raise ValueError(f"{segment.dataset.symbol}: its history is off the dataset's grid")
    extent = extent_of(history.known.spans, history.states)
    grid = history.grid.within(extent) if isinstance(history.grid, CalendarGrid) else history.grid
    body: bytes = msgpack.packb(_body_fields(history, grid))
    content = pack_front(segment.dataset, history, grid, len(body)) + body
    return content + checksum(content)


class PackedSegment:
    """A whole segment of which only the header is decoded, until its candles are asked for.

    A `CandlePiece`: it writes its candles where they are wanted. Each method raises CorruptSegment.
    """

    def __init__(self, data: bytes, path: str, scratch: Scratch) -> None:
        """Raises CorruptSegment, naming `path`, when a single bit differs from what `encode` gave.

        The scratch is what `columns` and `copy_into` work in; segments may share it that one thread decodes.
        """
        check_whole(data, path)
        body_at, _ = lengths(data, path)
        self.path = path
        self.header = unpack_front(data[:body_at], path)
        self._scratch = scratch
        with self._readable():
            self._fields = msgpack.unpackb(memoryview(data)[body_at:-CHECKSUM_BYTES])
            self._dtypes = _dtypes(self._fields["columns"])

    def history(self) -> CandleHistory:
        """All that the segment holds; may be asked for in any thread."""
        columns = new_columns(self._dtypes, len(self))
        known, replaced = self._decode_into(columns, Scratch())
        header, candles = self.header, Candles.from_columns(columns)
        return CandleHistory(
            header.dataset.grid,
            known,
            header.provisional,
            candles,
            replaced,
            header.states,
            header.listings,
            header.sources,
        )

    def dtypes(self) -> dict[str, np.dtype[Any]]:
        """The type of every column of its candles."""
        return self._dtypes

    def columns(self) -> dict[str, Column]:
        """Its candles, by column."""
        columns = new_columns(self._dtypes, len(self))
        self.copy_into(columns)
        return columns

    def copy_into(self, columns: Mapping[str, Column]) -> None:
        """Write its candles into columns as long as it has rows."""
        self._decode_into(columns, self._scratch)

    def __len__(self) -> int:
        return self.header.rows

    def _decode_into(self, columns: Mapping[str, Column], scratch: Scratch) -> tuple[KnownSpans, ReplacedBars]:
        """All of the body, whoever needs it: what does not follow the format is refused by every reader."""
        with self._readable():
            _write_openings(columns["open_time_ms"], self.header)
            unpack_into(columns, self._fields["columns"], len(self), scratch)
            return _known(self._fields, self.header, scratch), _replaced(self._fields, self.header, scratch)

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """What a body that does not follow the format raises, as CorruptSegment."""
        try:
            yield
        except (ValueError, LookupError, TypeError, OverflowError, UnpackException, ZstdError) as error:
            reason = f"its body cannot be read ({error})"
            raise CorruptSegment(self.path, reason, self.header.dataset.symbol, str(self.header.extent)) from error


def _body_fields(history: CandleHistory, grid: Grid) -> dict[str, Any]:
    columns = history.candles.columns()
    del columns["open_time_ms"]
    replaced = {_REPLACED_AT: history.replaced.replaced_at_ms, **history.replaced.bars.columns()}
    known = history.known
    bars = grid.positions(known.end_ms) - grid.positions(known.start_ms)
    return {
        "columns": pack(columns),
        "known": pack({"bars": bars, "since_ms": known.since_ms}),
        "pieces": len(known),
        "replaced": pack(replaced) if len(history.replaced) else [],
    }


def _dtypes(packed: Sequence[Any]) -> dict[str, np.dtype[Any]]:
    """The type of every column of candles; ValueError where one is missing, is there twice, or no column of such."""
    of_packed = dtypes(packed)
    are_sound = all(of_packed.get(name) == np.float64 for name in CORE_COLUMNS) and "open_time_ms" not in of_packed
    if len(of_packed) != len(packed) or not are_sound:
        raise ValueError(f"{', '.join(name for name, *_ in packed) or 'none'} are not the columns of candles")
    return {"open_time_ms": np.dtype(np.int64), **of_packed}


def _replaced(fields: Mapping[str, Any], header: SegmentHeader, scratch: Scratch) -> ReplacedBars:
    if not header.replaced and not fields["replaced"]:
        return ReplacedBars.none()
    older = unpack(fields["replaced"], header.replaced, scratch)
    return ReplacedBars(older.pop(_REPLACED_AT).astype(np.int64), RawCandles.from_columns(older))


def _known(fields: Mapping[str, Any], header: SegmentHeader, scratch: Scratch) -> KnownSpans:
    pieces = index(fields["pieces"])
    if not 0 <= pieces <= header.asked_bars:
        raise ValueError(f"{pieces} is no number of pieces")
    known = unpack(fields["known"], pieces, scratch)
    bars, since_ms = (known[name].astype(np.int64, copy=False) for name in ("bars", "since_ms"))
    return _known_spans(header.asked, bars, since_ms, header.dataset.grid)


def _write_openings(into: Column, header: SegmentHeader) -> None:
    """The opening of each bar, from the runs of consecutive ones."""
    grid, end = header.dataset.grid, 0
    if not isinstance(grid, FixedGrid):
        into[:] = grid.openings(header.runs)
        return
    for run in header.runs:
        start, end = end, end + run.duration_ms // grid.step_ms
        into[start:end] = np.arange(run.start_ms, run.end_ms, grid.step_ms)


def _known_spans(asked: SpanSet, bars: NDArray[np.int64], since_ms: NDArray[np.int64], grid: Grid) -> KnownSpans:
    """The asked spans cut into pieces of so many bars, one after another."""
    ends = np.cumsum(bars)
    firsts = grid.positions(np.array([span.start_ms for span in asked], np.int64))
    span_bars = grid.positions(np.array([span.end_ms for span in asked], np.int64)) - firsts
    span_ends = np.cumsum(span_bars)
    fills = bool((bars > 0).all()) and bool(np.isin(span_ends, ends).all()) and bars.sum() == span_bars.sum()
    if not fills:
        raise ValueError("its pieces do not make up the spans that were asked")
    starts = ends - bars
    span_of = np.searchsorted(span_ends, starts, side="right")
    at = (firsts - (span_ends - span_bars))[span_of] + starts
    return KnownSpans(grid.edges(at), grid.edges(at + bars), since_ms)
