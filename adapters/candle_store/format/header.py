"""The front of a candle file: what coverage needs, readable and checked without the candles."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from operator import index
from typing import Any, Protocol

import msgpack

from domain.candles.coverage import runs_of
from domain.candles.dataset import Dataset, Interval
from domain.candles.history import CandleHistory
from domain.errors import CorruptSegment, StorageUnavailable
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan

MAGIC = b"\x89CANDLE\n"
VERSION = 2
CHECKSUM_BYTES = 16
MAX_HEADER_BYTES = 64 * 2**20
MAX_BODY_BYTES = 2**30
MAX_ROWS = 2**27
PREAMBLE = struct.Struct("<8sIIQ")
FIRST_READ_BYTES = 8192
_CALENDAR = TimeSpan(-62_135_596_800_000, 253_402_300_799_999)
"""The years 1 to 9999."""


class Readable(Protocol):
    """What can be read on from where the last part ended."""

    def read(self, length: int = -1, /) -> bytes:
        """The next `length` bytes, all that are left without one; fewer only at the end."""


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What a file says of itself: whose candles, which spans they answer, and where bars are.

    `asked`, `provisional` and `runs` (of consecutive bars) are on the dataset's grid.
    `rows` counts the bars, `replaced` their older values.
    """

    dataset: Dataset
    asked: SpanSet
    provisional: SpanSet
    runs: SpanSet
    rows: int
    replaced: int

    @property
    def extent(self) -> TimeSpan:
        """From the first to the last moment that the file has answers for; empty where it has none."""
        return self.asked.extent


def pack_front(dataset: Dataset, history: CandleHistory, body_bytes: int) -> bytes:
    """Preamble, header and their checksum; ValueError for spans or candles off the dataset's grid."""
    header: bytes = msgpack.packb(_fields(dataset, history))
    front = PREAMBLE.pack(MAGIC, VERSION, len(header), body_bytes) + header
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
        broker, symbol, interval, adjustment, anchor_ms = fields["dataset"]
        dataset = Dataset(broker, symbol, Interval(interval), adjustment, anchor_ms)
        asked, provisional, runs = (_unpack_spans(fields[name], dataset) for name in ("asked", "provisional", "runs"))
        if runs - asked or provisional - asked:
            raise ValueError("it has bars, or answers that may change, where nothing was asked")
        rows, replaced = index(fields["rows"]), index(fields["replaced"])
        if not 0 <= rows <= MAX_ROWS or not 0 <= replaced <= MAX_ROWS:
            raise ValueError("more rows than a candle file may have")
        bars = dataset.count(runs)
        if bars != rows:
            raise ValueError(f"its runs hold {bars} bars, not {rows}")
        return SegmentHeader(dataset, asked, provisional, runs, rows, replaced)
    except (ValueError, KeyError, TypeError, msgpack.UnpackException) as error:
        raise CorruptSegment(path, f"its header cannot be read ({error})") from error


def lengths(data: bytes, path: str) -> tuple[int, int]:
    """Where the body begins and how long the file is, from the file's first bytes; raises CorruptSegment."""
    if len(data) < PREAMBLE.size or not data.startswith(MAGIC):
        raise CorruptSegment(path, "it does not begin like a candle file")
    _, version, header_bytes, body_bytes = PREAMBLE.unpack_from(data)
    if version != VERSION:
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
    return data.startswith(MAGIC) and len(data) >= PREAMBLE.size and PREAMBLE.unpack_from(data)[1] != VERSION


def _refuse_version(data: bytes, path: str) -> None:
    """A whole file in another format is no damage: whoever wrote it can read it."""
    if _is_whole(data):
        version = PREAMBLE.unpack_from(data)[1]
        raise StorageUnavailable(path, f"it is in format version {version}, and this program reads version {VERSION}")


def _is_whole(data: bytes) -> bool:
    return checksum(memoryview(data)[:-CHECKSUM_BYTES]) == data[-CHECKSUM_BYTES:]


def _fields(dataset: Dataset, history: CandleHistory) -> dict[str, Any]:
    runs = runs_of(history.candles.open_time_ms, dataset.interval.duration_ms)
    return {
        "dataset": [dataset.broker, dataset.symbol, dataset.interval.name, dataset.adjustment, dataset.anchor_ms],
        "asked": _pack_spans(history.known.spans, dataset),
        "provisional": _pack_spans(history.provisional, dataset),
        "runs": _pack_spans(runs, dataset),
        "rows": len(history.candles),
        "replaced": len(history.replaced),
    }


def _pack_spans(spans: Sequence[TimeSpan], dataset: Dataset) -> list[int]:
    """The first start, then in turn: bars in a span, bars until the next. Two bytes a weekend."""
    interval_ms = dataset.interval.duration_ms
    edges = [edge for span in spans for edge in (span.start_ms, span.end_ms)]
    if any((edge - dataset.anchor_ms) % interval_ms for edge in edges):
        raise ValueError(f"{dataset.symbol}: a candle or a span is off the dataset's grid")
    return [*edges[:1], *((later - earlier) // interval_ms for earlier, later in pairwise(edges))]


def _unpack_spans(packed: Sequence[Any], dataset: Dataset) -> SpanSet:
    if not packed:
        return SpanSet()
    first, *steps = map(index, packed)
    interval_ms = dataset.interval.duration_ms
    if (first - dataset.anchor_ms) % interval_ms or any(step <= 0 for step in steps):
        raise ValueError("its spans are not in order, or off the grid")
    edges = list(accumulate((step * interval_ms for step in steps), initial=first))
    if not _CALENDAR.covers(TimeSpan(edges[0], edges[-1])):
        raise ValueError("its spans are in no year that there is")
    return SpanSet(map(TimeSpan, edges[::2], edges[1::2]))
