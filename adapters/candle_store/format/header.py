"""The front of a candle file: what coverage needs, readable and checked without the candles."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from operator import index
from typing import Any, Protocol

import msgpack

from adapters.candle_store.format.spans import (
    pack_grid,
    pack_listings,
    pack_sources,
    pack_spans,
    pack_states,
    unpack_dataset,
    unpack_listings,
    unpack_sources,
    unpack_spans,
    unpack_states,
)
from adapters.candle_store.layout import most_bars
from domain.candles.bar_sources import NO_SOURCES, BarSources
from domain.candles.dataset import Dataset
from domain.candles.history import CandleHistory
from domain.candles.listings import Listing
from domain.candles.span_states import NO_STATES, SpanStates
from domain.errors import CorruptSegment, StorageUnavailable
from domain.spans.grid import FixedGrid, Grid
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan

MAGIC = b"\x89CANDLE\n"
FIXED_GRID_VERSION, CALENDAR_GRID_VERSION = 2, 3
VERSIONS = (FIXED_GRID_VERSION, CALENDAR_GRID_VERSION)
CHECKSUM_BYTES = 16
MAX_HEADER_BYTES = 64 * 2**20
MAX_BODY_BYTES = 2**30
MAX_ROWS = 2**27
PREAMBLE = struct.Struct("<8sIIQ")
FIRST_READ_BYTES = 8192
_MOST_REVISIONS = 1_000
"""Older values a bar, on average: a split a month, for eighty years."""


class Readable(Protocol):
    """What can be read on from where the last part ended."""

    def read(self, length: int = -1, /) -> bytes:
        """The next `length` bytes, all that are left without one; fewer only at the end."""


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What a file says of itself: whose candles, which spans they answer, and where bars are.

    `asked`, `provisional`, `runs` (of consecutive bars) and `states` are on the dataset's grid; of a calendar grid
    it knows the bars of its `extent`. `rows` counts the bars, `replaced` their older values, `asked_bars` what was
    asked.
    """

    dataset: Dataset
    asked: SpanSet
    provisional: SpanSet
    runs: SpanSet
    rows: int
    replaced: int
    asked_bars: int
    states: SpanStates = NO_STATES
    listings: tuple[Listing, ...] = ()
    sources: BarSources = NO_SOURCES

    @property
    def extent(self) -> TimeSpan:
        """From the first to the last moment of which the file tells; empty where it tells of none."""
        return extent_of(self.asked, self.states)


def extent_of(asked: SpanSet, states: SpanStates) -> TimeSpan:
    """From the first to the last moment of which anything is known; empty where nothing is."""
    return (asked | states.without_answer).extent if states else asked.extent


def pack_front(dataset: Dataset, history: CandleHistory, grid: Grid, body_bytes: int) -> bytes:
    """Preamble, header and their checksum; ValueError for spans or candles off the grid.

    Of a calendar the grid knows the bars that the file tells of, and no others.
    """
    header: bytes = msgpack.packb(_fields(dataset, history, grid))
    version = FIXED_GRID_VERSION if isinstance(grid, FixedGrid) else CALENDAR_GRID_VERSION
    front = PREAMBLE.pack(MAGIC, version, len(header), body_bytes) + header
    return front + checksum(front)


def read_front(file: Readable, file_bytes: int, path: str) -> SegmentHeader:
    """The header alone, from the beginning of a file that has `file_bytes` bytes.

    Raises CorruptSegment for damage in the front and for a file that is not as long as it was written,
    StorageUnavailable for one in a newer format; damage in the body is noticed when candles are read.
    """
    data = file.read(FIRST_READ_BYTES)
    if _states_another_version(data):
        _refuse_version(data + file.read(), path)
    body_at, total = lengths(data, path)
    if file_bytes != total:
        raise CorruptSegment(path, f"it has {file_bytes} bytes where {total} were written")
    return unpack_front((data + file.read(max(0, body_at - len(data))))[:body_at], path)


def unpack_front(front: bytes, path: str) -> SegmentHeader:
    """What `pack_front` was given; raises CorruptSegment."""
    if checksum(front[:-CHECKSUM_BYTES]) != front[-CHECKSUM_BYTES:]:
        raise CorruptSegment(path, "the checksum of its header does not match")
    try:
        fields = msgpack.unpackb(front[PREAMBLE.size : -CHECKSUM_BYTES])
        has_calendar = PREAMBLE.unpack_from(front)[1] == CALENDAR_GRID_VERSION
        dataset = unpack_dataset(fields["dataset"], fields["grid"] if has_calendar else None)
        return _header(fields, dataset)
    except (ValueError, KeyError, TypeError, msgpack.UnpackException) as error:
        raise CorruptSegment(path, f"its header cannot be read ({error})") from error


def lengths(data: bytes, path: str) -> tuple[int, int]:
    """Where the body begins and how long the file is, from the file's first bytes; raises CorruptSegment."""
    if len(data) < PREAMBLE.size or not data.startswith(MAGIC):
        raise CorruptSegment(path, "it does not begin like a candle file")
    _, version, header_bytes, body_bytes = PREAMBLE.unpack_from(data)
    if version not in VERSIONS:
        raise CorruptSegment(path, f"it says that it is of format version {version}, which its checksum denies")
    if header_bytes > MAX_HEADER_BYTES or body_bytes > MAX_BODY_BYTES:
        raise CorruptSegment(path, "its stated size is beyond what a candle file may have")
    body_at = PREAMBLE.size + header_bytes + CHECKSUM_BYTES
    return body_at, body_at + body_bytes + CHECKSUM_BYTES


def check_whole(data: bytes, path: str) -> None:
    """Raise CorruptSegment unless the file's last checksum says that every byte is as it was written."""
    if _states_another_version(data):
        _refuse_version(data, path)
    _, total = lengths(data, path)
    if len(data) != total:
        raise CorruptSegment(path, f"it has {len(data)} bytes where {total} were written")
    if not _is_whole(data):
        raise CorruptSegment(path, "its checksum does not match its content")


def checksum(data: bytes | memoryview) -> bytes:
    """BLAKE2b, 16 bytes."""
    return hashlib.blake2b(data, digest_size=CHECKSUM_BYTES).digest()


def _states_another_version(data: bytes) -> bool:
    return data.startswith(MAGIC) and len(data) >= PREAMBLE.size and PREAMBLE.unpack_from(data)[1] not in VERSIONS


def _refuse_version(data: bytes, path: str) -> None:
    """A whole file in another format is no damage: whoever wrote it can read it."""
    if _is_whole(data):
        version = PREAMBLE.unpack_from(data)[1]
        readable = " and ".join(map(str, VERSIONS))
        raise StorageUnavailable(path, f"it is in format version {version}, and this program reads versions {readable}")


def _is_whole(data: bytes) -> bool:
    return checksum(memoryview(data)[:-CHECKSUM_BYTES]) == data[-CHECKSUM_BYTES:]


def _fields(dataset: Dataset, history: CandleHistory, grid: Grid) -> dict[str, Any]:
    if len(history.replaced) > _most_replaced(len(history.candles)):
        raise ValueError(f"{dataset.symbol}: {len(history.replaced)} older values are more than a candle file may have")
    try:
        return {
            "dataset": list(dataset.identity),
            "asked": pack_spans(history.known.spans, grid),
            "provisional": pack_spans(history.provisional, grid),
            "runs": pack_spans(grid.runs_of(history.candles.open_time_ms), grid),
            "rows": len(history.candles),
            "replaced": len(history.replaced),
            **pack_grid(grid),
            **pack_states(history.states, grid),
            **pack_listings(history.listings),
            **pack_sources(history.sources, grid),
        }
    except ValueError as error:
        raise ValueError(f"{dataset.symbol}: {error}") from error


def _header(fields: Mapping[str, Any], dataset: Dataset) -> SegmentHeader:
    asked, provisional, runs = (unpack_spans(fields[name], dataset.grid) for name in ("asked", "provisional", "runs"))
    states = unpack_states(fields, dataset.grid)
    if runs - asked or provisional - asked:
        raise ValueError("it has bars, or answers that may change, where nothing was asked")
    answered = states.denied | states.refused
    if answered - asked or answered & runs or states.without_answer & asked:
        raise ValueError("it tells of spans what its bars and answers deny")
    rows, replaced, asked_bars = index(fields["rows"]), index(fields["replaced"]), dataset.count(asked)
    if not 0 <= rows <= MAX_ROWS or not 0 <= replaced <= _most_replaced(rows) or asked_bars > most_bars(dataset):
        raise ValueError("more rows than a candle file may have")
    bars = dataset.count(runs)
    if bars != rows:
        raise ValueError(f"its runs hold {bars} bars, not {rows}")
    listings, sources = unpack_listings(fields), unpack_sources(fields, dataset.grid)
    if any(told - runs for _, told in sources.runs):
        raise ValueError("it tells the source of bars that it does not have")
    return SegmentHeader(dataset, asked, provisional, runs, rows, replaced, asked_bars, states, listings, sources)


def _most_replaced(rows: int) -> int:
    return min(MAX_ROWS, rows * _MOST_REVISIONS)
