"""The candle file format, version 1: one dataset's bars of one period, and the spans they answer.

    preamble   magic, version, length of the header, length of the body        (24 bytes)
    header     msgpack: dataset, asked spans, runs of consecutive bars, columns and their types
    checksum   of preamble and header                                          (16 bytes, BLAKE2b)
    body       the columns one after another, little-endian, in one zstd frame
    checksum   of everything before                                            (16 bytes, BLAKE2b)

Coverage needs the header alone. What was written comes back bit for bit: -0.0, NaN and its payload.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, BinaryIO

import msgpack
import numpy as np
import zstandard

from domain.candles import Candles, Column, Dataset, Interval
from domain.coverage import runs_of
from domain.errors import CorruptSegment
from domain.timespan import TimeSpan

MAGIC = b"\x89CANDLE\n"
VERSION = 1
CHECKSUM_BYTES = 16
MAX_HEADER_BYTES = 64 * 2**20
MAX_BODY_BYTES = 2**30
_PREAMBLE = struct.Struct("<8sIIQ")
_FIRST_READ_BYTES = 8192
_DTYPES = {"f8": np.dtype("<f8"), "i8": np.dtype("<i8")}


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What a file says of itself: whose candles, which spans they answer, and where bars are.

    `runs` are the spans of consecutive bars; `columns` name each column's type, in file order.
    """

    dataset: Dataset
    asked: tuple[TimeSpan, ...]
    runs: tuple[TimeSpan, ...]
    columns: tuple[tuple[str, str], ...]
    rows: int


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """One file's content: candles on the dataset's grid, inside the sorted, disjoint `asked` spans."""

    dataset: Dataset
    asked: tuple[TimeSpan, ...]
    candles: Candles


def encode(segment: Segment) -> bytes:
    """The file's bytes; the same segment always gives the same ones."""
    columns = segment.candles.columns()
    raw = b"".join(column.astype(f"<{_kind(column)}", copy=False).tobytes() for column in columns.values())
    body = zstandard.ZstdCompressor(level=1).compress(raw)
    header: bytes = msgpack.packb(_header_fields(segment, columns))
    front = _PREAMBLE.pack(MAGIC, VERSION, len(header), len(body)) + header
    content = front + _checksum(front) + body
    return content + _checksum(content)


def decode(data: bytes, path: str) -> Segment:
    """What `encode` was given. Raises CorruptSegment, naming `path`, when a single bit differs."""
    header_end, total = _lengths(data, path)
    if len(data) != total:
        raise CorruptSegment(path, f"it has {len(data)} bytes where {total} were written")
    if _checksum(data[:-CHECKSUM_BYTES]) != data[-CHECKSUM_BYTES:]:
        raise CorruptSegment(path, "its checksum does not match its content")
    header = _decode_header(data[: header_end + CHECKSUM_BYTES], path)
    try:
        candles = _decode_body(data[header_end + CHECKSUM_BYTES : -CHECKSUM_BYTES], header)
    except (ValueError, KeyError, zstandard.ZstdError) as error:
        raise CorruptSegment(path, f"its columns cannot be read ({error})") from error
    if tuple(runs_of(candles.open_time_ms, header.dataset.interval.duration_ms)) != header.runs:
        raise CorruptSegment(path, "its header does not describe its candles")
    return Segment(header.dataset, header.asked, candles)


def read_header(file: BinaryIO, file_bytes: int, path: str) -> SegmentHeader:
    """The header alone, from the file's beginning.

    Raises CorruptSegment for damage in the header and for a file that is not `file_bytes` long as
    written; damage further back is noticed when the candles are read.
    """
    data = file.read(_FIRST_READ_BYTES)
    header_end, total = _lengths(data, path)
    if file_bytes != total:
        raise CorruptSegment(path, f"it has {file_bytes} bytes where {total} were written")
    missing = header_end + CHECKSUM_BYTES - len(data)
    return _decode_header((data + file.read(max(missing, 0)))[: header_end + CHECKSUM_BYTES], path)


def _lengths(data: bytes, path: str) -> tuple[int, int]:
    """Where the header ends, and how long the file is."""
    if len(data) < _PREAMBLE.size or not data.startswith(MAGIC):
        raise CorruptSegment(path, "it does not begin like a candle file")
    _, version, header_bytes, body_bytes = _PREAMBLE.unpack_from(data)
    if version != VERSION:
        raise CorruptSegment(path, f"it is of format version {version}, and this program reads version {VERSION}")
    if header_bytes > MAX_HEADER_BYTES or body_bytes > MAX_BODY_BYTES:
        raise CorruptSegment(path, "its stated size is beyond what a candle file may have")
    header_end = _PREAMBLE.size + header_bytes
    return header_end, header_end + CHECKSUM_BYTES + body_bytes + CHECKSUM_BYTES


def _header_fields(segment: Segment, columns: Mapping[str, Column]) -> dict[str, Any]:
    dataset = segment.dataset
    interval_ms = dataset.interval.duration_ms
    opens = segment.candles.open_time_ms
    if bool(np.any(opens % interval_ms != dataset.anchor_ms % interval_ms)):
        raise ValueError(f"{dataset.symbol}: a candle opens off the dataset's grid")
    return {
        "dataset": [dataset.broker, dataset.symbol, dataset.interval.name, dataset.adjustment, dataset.anchor_ms],
        "asked": [[span.start_ms, span.end_ms] for span in segment.asked],
        "runs": _pack_runs(runs_of(opens, interval_ms), interval_ms),
        "columns": [[name, _kind(column)] for name, column in columns.items()],
        "rows": len(opens),
    }


def _pack_runs(runs: list[TimeSpan], interval_ms: int) -> list[int]:
    """The first opening, then in turn: bars in a run, bars missing until the next. Two bytes a weekend."""
    edges = [edge for run in runs for edge in (run.start_ms, run.end_ms)]
    steps = [(later - earlier) // interval_ms for earlier, later in pairwise(edges)]
    return [*edges[:1], *steps]


def _unpack_runs(packed: list[int], interval_ms: int) -> tuple[TimeSpan, ...]:
    if not packed:
        return ()
    first, *steps = packed
    edges = list(accumulate((step * interval_ms for step in steps), initial=first))
    return tuple(TimeSpan(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True))


def _decode_header(front: bytes, path: str) -> SegmentHeader:
    if _checksum(front[:-CHECKSUM_BYTES]) != front[-CHECKSUM_BYTES:]:
        raise CorruptSegment(path, "the checksum of its header does not match")
    try:
        fields = msgpack.unpackb(front[_PREAMBLE.size : -CHECKSUM_BYTES])
        broker, symbol, interval, adjustment, anchor_ms = fields["dataset"]
        dataset = Dataset(broker, symbol, Interval(interval), adjustment, anchor_ms)
        return SegmentHeader(
            dataset,
            tuple(TimeSpan(start_ms, end_ms) for start_ms, end_ms in fields["asked"]),
            _unpack_runs(fields["runs"], dataset.interval.duration_ms),
            tuple((name, kind) for name, kind in fields["columns"]),
            fields["rows"],
        )
    except (ValueError, KeyError, TypeError, msgpack.UnpackException) as error:
        raise CorruptSegment(path, f"its header cannot be read ({error})") from error


def _decode_body(body: bytes, header: SegmentHeader) -> Candles:
    size = 8 * header.rows * len(header.columns)
    # The frame's own word on its size is checked first: the decompressor would believe it.
    if size > MAX_BODY_BYTES or zstandard.frame_content_size(body) != size:
        raise ValueError("the frame's size is not that of the columns")
    raw = zstandard.ZstdDecompressor().decompress(body, max_output_size=size)
    columns: dict[str, Column] = {}
    for number, (name, kind) in enumerate(header.columns):
        if kind not in _DTYPES:
            raise ValueError(f"column {name} is of the unknown type {kind}")
        values = np.frombuffer(raw, _DTYPES[kind], header.rows, offset=8 * header.rows * number)
        columns[name] = values.astype(np.int64) if kind == "i8" else values.astype(np.float64)
    return Candles.from_columns(columns)


def _kind(column: Column) -> str:
    return "i8" if column.dtype == np.int64 else "f8"


def _checksum(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=CHECKSUM_BYTES).digest()
