"""The candle file format, version 2: one dataset's bars of one period, and all that is known of them.

    preamble   magic, version, length of the header, length of the body        (24 bytes)
    header     msgpack: dataset, spans asked, provisional spans, runs of consecutive bars, counts
    checksum   of preamble and header                                          (16 bytes, BLAKE2b)
    body       msgpack: columns, older values, since when spans are known; byte planes in zstd frames
    checksum   of everything before                                            (16 bytes, BLAKE2b)

docs/segment-format.md says it so that another reader can be written. Coverage needs the front alone.
What was written comes back bit for bit: -0.0, NaN and its payload.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgpack
import numpy as np
import zstandard
from numpy.typing import NDArray

from adapters.segments.columns import pack, unpack
from adapters.segments.header import (
    CHECKSUM_BYTES,
    SegmentHeader,
    check_whole,
    checksum,
    lengths,
    pack_front,
    unpack_front,
)
from domain.candle_history import CandleHistory
from domain.candles import Candles, Dataset, RawCandles
from domain.errors import CorruptSegment
from domain.known_spans import KnownSpans
from domain.revisions import ReplacedBars
from domain.timespan import TimeSpan

_REPLACED_AT = "replaced_at_ms"


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """One file's content: a dataset, and the history of its candles in one period."""

    dataset: Dataset
    history: CandleHistory


def encode(segment: Segment) -> bytes:
    """The file's bytes; the same segment always gives the same ones."""
    body: bytes = msgpack.packb(_body_fields(segment.history))
    content = pack_front(segment.dataset, segment.history, len(body)) + body
    return content + checksum(content)


def decode(data: bytes, path: str) -> Segment:
    """What `encode` was given. Raises CorruptSegment, naming `path`, when a single bit differs."""
    check_whole(data, path)
    body_at, _ = lengths(data, path)
    header = unpack_front(data[:body_at], path)
    try:
        history = _history(msgpack.unpackb(data[body_at:-CHECKSUM_BYTES]), header)
    except (ValueError, LookupError, TypeError, OverflowError, msgpack.UnpackException, zstandard.ZstdError) as error:
        raise CorruptSegment(path, f"its body cannot be read ({error})") from error
    return Segment(header.dataset, history)


def _body_fields(history: CandleHistory) -> dict[str, Any]:
    columns = history.candles.columns()
    del columns["open_time_ms"]
    replaced = {_REPLACED_AT: history.replaced.replaced_at_ms, **history.replaced.bars.columns()}
    known = history.known
    bars = (known.end_ms - known.start_ms) // history.interval_ms
    return {
        "columns": pack(columns),
        "known": pack({"bars": bars, "since_ms": known.since_ms}),
        "pieces": len(known),
        "replaced": pack(replaced) if len(history.replaced) else [],
    }


def _history(fields: dict[str, Any], header: SegmentHeader) -> CandleHistory:
    interval_ms = header.dataset.interval.duration_ms
    openings = _openings(header, interval_ms)
    candles = Candles.from_columns({"open_time_ms": openings, **unpack(fields["columns"], header.rows)})
    replaced = ReplacedBars.none()
    if header.replaced:
        older = unpack(fields["replaced"], header.replaced)
        replaced = ReplacedBars(older.pop(_REPLACED_AT).astype(np.int64), RawCandles.from_columns(older))
    known = unpack(fields["known"], fields["pieces"])
    spans = _known_spans(header.asked, known["bars"].astype(np.int64), known["since_ms"].astype(np.int64), interval_ms)
    return CandleHistory(interval_ms, spans, header.provisional, candles, replaced)


def _openings(header: SegmentHeader, interval_ms: int) -> NDArray[np.int64]:
    """The opening of each bar, from the runs of consecutive ones."""
    bars = sum(run.duration_ms // interval_ms for run in header.runs)
    if bars != header.rows:
        raise ValueError(f"its runs hold {bars} bars, not {header.rows}")
    runs = [np.arange(run.start_ms, run.end_ms, interval_ms, dtype=np.int64) for run in header.runs]
    return np.concatenate([np.empty(0, np.int64), *runs])


def _known_spans(
    asked: tuple[TimeSpan, ...], bars: NDArray[np.int64], since_ms: NDArray[np.int64], interval_ms: int
) -> KnownSpans:
    """The asked spans cut into pieces of so many bars, one after another."""
    ends = np.cumsum(bars)
    span_bars = np.array([span.duration_ms // interval_ms for span in asked], np.int64)
    span_ends = np.cumsum(span_bars)
    fills = bool((bars > 0).all()) and bool(np.isin(span_ends, ends).all()) and bars.sum() == span_bars.sum()
    if not fills:
        raise ValueError("its pieces do not make up the spans that were asked")
    starts = ends - bars
    span_of = np.searchsorted(span_ends, starts, side="right")
    origin = np.array([span.start_ms for span in asked], np.int64) - (span_ends - span_bars) * interval_ms
    start_ms = origin[span_of] + starts * interval_ms
    return KnownSpans(start_ms, start_ms + bars * interval_ms, since_ms)
