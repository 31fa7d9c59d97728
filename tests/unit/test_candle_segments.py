"""The segment format: what was written comes back bit for bit, or not at all."""

from __future__ import annotations

import hashlib
import io
import struct
from dataclasses import replace

import numpy as np
import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.candle_segments import CHECKSUM_BYTES, MAX_BODY_BYTES, Segment, decode, encode, read_header
from domain.candles import CORE_COLUMNS, Candles, Dataset, Interval
from domain.coverage import runs_of
from domain.errors import CorruptSegment
from domain.timespan import TimeSpan

MINUTE_MS = 60_000
DATASET = Dataset("memory", "BRK/B ü", Interval("1m"), adjustment="split", anchor_ms=-30_000)
int64s = st.integers(-(2**63), 2**63 - 1)


@st.composite
def segments(draw: st.DrawFn) -> Segment:
    positions = sorted(draw(st.sets(st.integers(-50, 50), max_size=12)))
    times = np.array(positions, np.int64) * MINUTE_MS + DATASET.anchor_ms
    columns = {"open_time_ms": times}
    # Any 64 bits are a float: NaN payloads, -0.0, infinities and subnormals included.
    for name in (*CORE_COLUMNS, *draw(st.sets(st.sampled_from(["quote_volume", "vwap"])))):
        bits = draw(st.lists(int64s, min_size=len(times), max_size=len(times)))
        columns[name] = np.array(bits, np.int64).view(np.float64)
    columns["trades"] = np.array(draw(st.lists(int64s, min_size=len(times), max_size=len(times))), np.int64)
    return Segment(DATASET, (TimeSpan(-(10**7), 0), TimeSpan(1, 10**7)), Candles.from_columns(columns))


def build(bars: int = 5, asked: tuple[TimeSpan, ...] = (TimeSpan(0, 10**6),)) -> Segment:
    column = np.linspace(1.0, 2.0, bars)
    times = np.arange(bars) * MINUTE_MS + DATASET.anchor_ms
    return Segment(DATASET, asked, Candles(times, column, column, column, column, column))


SMALL = encode(build())


@given(segments())
def test_a_segment_comes_back_bit_for_bit(segment: Segment) -> None:
    decoded = decode(encode(segment), "memory")
    assert decoded.candles.identical(segment.candles)
    assert (decoded.dataset, decoded.asked) == (segment.dataset, segment.asked)


@given(segments())
def test_the_header_alone_tells_what_was_asked_and_where_bars_are(segment: Segment) -> None:
    data = encode(segment)
    header = read_header(io.BytesIO(data), len(data), "memory")
    assert (header.dataset, header.asked, header.rows) == (DATASET, segment.asked, len(segment.candles))
    assert list(header.runs) == runs_of(segment.candles.open_time_ms, MINUTE_MS)


def test_a_header_longer_than_the_first_read_is_read_whole() -> None:
    asked = tuple(TimeSpan(2 * number, 2 * number + 1) for number in range(5_000))
    data = encode(build(asked=asked))
    assert read_header(io.BytesIO(data), len(data), "memory").asked == asked


def test_the_same_segment_gives_the_same_bytes() -> None:
    assert encode(build()) == SMALL


def test_every_flipped_bit_is_noticed() -> None:
    for position in range(len(SMALL) * 8):
        damaged = bytearray(SMALL)
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises(CorruptSegment, match="memory"):
            decode(bytes(damaged), "memory")


def test_every_flipped_bit_of_the_header_is_noticed_by_who_reads_only_that() -> None:
    header_bytes = struct.unpack_from("<I", SMALL, 12)[0]
    for position in range((24 + header_bytes + CHECKSUM_BYTES) * 8):
        damaged = bytearray(SMALL)
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises(CorruptSegment, match="memory"):
            read_header(io.BytesIO(bytes(damaged)), len(damaged), "memory")


def test_every_truncation_is_noticed_by_both_readers() -> None:
    for length in range(len(SMALL)):
        cut = SMALL[:length]
        with pytest.raises(CorruptSegment):
            decode(cut, "memory")
        with pytest.raises(CorruptSegment):
            read_header(io.BytesIO(cut), len(cut), "memory")


@given(st.binary(min_size=1, max_size=64))
def test_bytes_after_the_end_are_noticed(tail: bytes) -> None:
    with pytest.raises(CorruptSegment, match="bytes where"):
        decode(SMALL + tail, "memory")
    with pytest.raises(CorruptSegment, match="bytes where"):
        read_header(io.BytesIO(SMALL + tail), len(SMALL) + len(tail), "memory")


@given(st.binary(max_size=200))
@example(b"")
def test_what_is_no_segment_is_refused_as_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptSegment):
        decode(data, "memory")


def forge(body: bytes) -> bytes:
    """A file whose checksums are right and whose body is not the one written."""
    header_bytes = struct.unpack_from("<I", SMALL, 12)[0]
    front = SMALL[:16] + struct.pack("<Q", len(body)) + SMALL[24 : 24 + header_bytes]
    content = front + checksum(front) + body
    return content + checksum(content)


def checksum(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=CHECKSUM_BYTES).digest()


def test_a_body_that_would_swell_beyond_the_columns_is_not_decompressed() -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(50_000_000))
    with pytest.raises(CorruptSegment, match="size"):
        decode(forge(bomb), "memory")


@pytest.mark.parametrize("body", [b"", b"not a frame", zstandard.ZstdCompressor().compress(bytes(5 * 8 * 6))])
def test_a_forged_body_is_refused(body: bytes) -> None:
    with pytest.raises(CorruptSegment):
        decode(forge(body), "memory")


def test_a_body_with_bars_elsewhere_than_the_header_says_is_refused() -> None:
    columns = build().candles.columns()
    columns["open_time_ms"] = columns["open_time_ms"] + MINUTE_MS
    body = zstandard.ZstdCompressor().compress(b"".join(column.tobytes() for column in columns.values()))
    with pytest.raises(CorruptSegment, match="does not describe"):
        decode(forge(body), "memory")


def test_a_stated_size_beyond_the_cap_is_refused_before_anything_is_read() -> None:
    data = SMALL[:16] + struct.pack("<Q", MAX_BODY_BYTES + 1) + SMALL[24:]
    with pytest.raises(CorruptSegment, match="size"):
        decode(data, "memory")


def test_another_format_version_says_so() -> None:
    with pytest.raises(CorruptSegment, match="format version 9"):
        decode(SMALL[:8] + struct.pack("<I", 9) + SMALL[12:], "memory")


def test_candles_off_the_grid_are_not_written() -> None:
    with pytest.raises(ValueError, match="off the dataset's grid"):
        encode(replace(build(), dataset=Dataset("memory", "A", Interval("1m"), anchor_ms=1)))


@settings(max_examples=20)
@given(st.integers(0, 3))
def test_a_segment_without_candles_keeps_what_was_asked(spans: int) -> None:
    asked = tuple(TimeSpan(10 * number, 10 * number + 5) for number in range(spans))
    decoded = decode(encode(Segment(DATASET, asked, Candles.empty())), "memory")
    assert (decoded.asked, len(decoded.candles)) == (asked, 0)
