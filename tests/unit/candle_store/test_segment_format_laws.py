"""The segment format: what was written comes back bit for bit, or not at all."""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Callable, Mapping
from typing import Any

import msgpack
import numpy as np
import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.candle_store.format.header import CHECKSUM_BYTES, FIXED_GRID_VERSION, MAX_BODY_BYTES, PREAMBLE, read_front
from adapters.candle_store.format.scratch import Scratch
from adapters.candle_store.format.segment import PackedSegment, Segment, encode
from domain.candles.candles import Candles
from domain.candles.dataset import Dataset, Interval
from domain.candles.history import CandleHistory
from domain.candles.known_spans import KnownSpans
from domain.errors import CorruptSegment, StorageUnavailable
from domain.spans.span_set import SpanSet
from tests.segment_examples import (
    ANCHOR_MS,
    DATASET,
    MINUTE_MS,
    build,
    build_revised,
    calendar_segments,
    decode,
    segments,
    span,
)

SMALL = encode(build_revised())


@given(segments() | calendar_segments())
def test_a_segment_comes_back_bit_for_bit(segment: Segment) -> None:
    decoded = decode(encode(segment), "memory")
    mine, theirs = decoded.history, segment.history
    assert decoded.dataset == segment.dataset
    assert mine.identical(theirs)
    assert list(mine.candles.columns()) == list(theirs.candles.columns())
    assert mine.replaced.replaced_at_ms.tolist() == theirs.replaced.replaced_at_ms.tolist()
    older, expected = mine.replaced.bars.columns(), theirs.replaced.bars.columns()
    assert {name: column.tobytes() for name, column in older.items()} == {
        name: column.tobytes() for name, column in expected.items()
    }


@given(segments() | calendar_segments())
def test_the_front_alone_tells_what_was_asked_what_may_change_and_where_bars_are(segment: Segment) -> None:
    data = encode(segment)
    header = read_front(io.BytesIO(data), len(data), "memory")
    history = segment.history
    assert (header.dataset, header.asked, header.provisional) == (
        segment.dataset, history.known.spans, history.provisional,
    )  # fmt: skip
    assert (header.rows, header.replaced) == (len(history.candles), len(history.replaced))
    assert header.runs == history.grid.runs_of(history.candles.open_time_ms)


def test_a_header_longer_than_the_first_read_is_read_whole() -> None:
    spans = tuple(span(2 * number, 2 * number + 1) for number in range(10_000))
    data = encode(build(bars=1, spans=spans))
    assert read_front(io.BytesIO(data), len(data), "memory").asked == spans


def test_the_same_segment_gives_the_same_bytes() -> None:
    assert encode(build_revised()) == SMALL


def test_every_flipped_bit_is_noticed() -> None:
    for position in range(len(SMALL) * 8):
        with pytest.raises(CorruptSegment, match="memory"):
            decode(flipped(SMALL, position), "memory")


def test_every_flipped_bit_of_the_front_is_noticed_by_who_reads_only_that() -> None:
    front_bytes = PREAMBLE.size + struct.unpack_from("<I", SMALL, 12)[0] + CHECKSUM_BYTES
    for position in range(front_bytes * 8):
        with pytest.raises(CorruptSegment, match="memory"):
            read_front(io.BytesIO(flipped(SMALL, position)), len(SMALL), "memory")


def flipped(data: bytes, position: int) -> bytes:
    damaged = bytearray(data)
    damaged[position // 8] ^= 1 << position % 8
    return bytes(damaged)


def test_every_truncation_is_noticed_by_both_readers() -> None:
    for length in range(len(SMALL)):
        cut = SMALL[:length]
        with pytest.raises(CorruptSegment):
            decode(cut, "memory")
        with pytest.raises(CorruptSegment):
            read_front(io.BytesIO(cut), len(cut), "memory")


@given(st.binary(min_size=1, max_size=64))
def test_bytes_after_the_end_are_noticed(tail: bytes) -> None:
    with pytest.raises(CorruptSegment, match="bytes where"):
        decode(SMALL + tail, "memory")
    with pytest.raises(CorruptSegment, match="bytes where"):
        read_front(io.BytesIO(SMALL + tail), len(SMALL) + len(tail), "memory")


@given(st.binary(max_size=200))
@example(b"")
def test_what_is_no_segment_is_refused_as_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptSegment):
        decode(data, "memory")


def forge(body: object, version: int = FIXED_GRID_VERSION, header: Mapping[str, Any] | None = None) -> bytes:
    """A file whose checksums are right and whose body, or what of its header is named, is not the one written."""
    packed = body if isinstance(body, bytes) else msgpack.packb(body)
    header_bytes = struct.unpack_from("<I", SMALL, 12)[0]
    told = msgpack.packb({**msgpack.unpackb(SMALL[24 : 24 + header_bytes]), **(header or {})})
    front = SMALL[:8] + struct.pack("<IIQ", version, len(told), len(packed)) + told
    content = front + checksum(front) + packed
    return content + checksum(content)


def checksum(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=CHECKSUM_BYTES).digest()


def body_of(data: bytes) -> dict[str, Any]:
    header_bytes = struct.unpack_from("<I", data, 12)[0]
    body: dict[str, Any] = msgpack.unpackb(data[24 + header_bytes + CHECKSUM_BYTES : -CHECKSUM_BYTES])
    return body


def test_a_forged_file_with_the_right_body_is_no_different_from_the_real_one() -> None:
    assert forge(body_of(SMALL)) == SMALL


def test_a_plane_that_would_swell_beyond_its_rows_is_not_decompressed() -> None:
    body = body_of(SMALL)
    body["columns"][0][4] = [zstandard.ZstdCompressor().compress(bytes(50_000_000))]
    with pytest.raises(CorruptSegment, match="a plane is not of 3 bytes"):
        decode(forge(body), "memory")


def spoiled(*path: str | int, value: object) -> bytes:
    """The small file with one thing in its body changed."""
    body = body_of(SMALL)
    place: Any = body
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return forge(body)


@pytest.mark.parametrize(
    "forged",
    [
        forge(b""),
        forge(b"no msgpack"),
        forge([]),
        forge({}),
        spoiled("columns", 0, 1, value="f4"),
        spoiled("columns", 0, 2, value=99),
        spoiled("columns", 4, 3, value="never heard of"),
        spoiled("columns", 4, 3, value=[["nothing"], []]),
        spoiled("columns", 4, 3, value=[["volume"], []]),
        spoiled("columns", 4, 3, value="open"),
        spoiled("columns", 4, 0, value="another"),
        spoiled("columns", 4, 0, value="open_time_ms"),
        spoiled("columns", 4, value=["volume", "i8", None, "value", [1], []]),
        spoiled("columns", value=[*body_of(SMALL)["columns"], ["volume", "i8", None, "value", [1], []]]),
        spoiled("columns", value=[*body_of(SMALL)["columns"], ["open_time_ms", "i8", None, "value", [1], []]]),
        spoiled("columns", value=[*body_of(SMALL)["columns"], ["volume", "f8", 0, "value", [1], []]]),
        spoiled("columns", value="columns"),
        spoiled("columns", 1, 3, value="low"),
        spoiled("columns", 4, 4, value=[300, 1]),
        spoiled("pieces", value=2**40),
        spoiled("columns", 4, 4, value=[1] * 9),
        spoiled("columns", 4, 4, value=[b"12"]),
        spoiled("columns", value=[]),
        spoiled("known", 0, 4, value=[8]),
        spoiled("known", 0, 4, value=[0]),
        spoiled("pieces", value=0),
        spoiled("replaced", value=[]),
        spoiled("replaced", value="nothing"),
    ],
)
@pytest.mark.parametrize("read", [PackedSegment.history, PackedSegment.columns])
def test_a_forged_body_is_refused_however_it_is_read(forged: bytes, read: Callable[[PackedSegment], Any]) -> None:
    with pytest.raises(CorruptSegment, match="memory"):
        read(PackedSegment(forged, "memory", Scratch()))


def test_a_number_of_more_bytes_than_there_are_is_refused_in_words() -> None:
    with pytest.raises(CorruptSegment, match="a number has at most 8 bytes, not 9"):
        decode(spoiled("columns", 4, 4, value=[1] * 9), "memory")


def test_older_values_are_refused_where_the_header_knows_of_none() -> None:
    with pytest.raises(CorruptSegment, match="its body cannot be read"):
        decode(forge(body_of(SMALL), header={"replaced": 0}), "memory")


def test_what_a_body_that_cannot_be_decoded_takes_with_it_is_told() -> None:
    packed = PackedSegment(spoiled("columns", 4, 4, value=[b"12"]), "memory", Scratch())
    with pytest.raises(CorruptSegment) as caught:
        packed.columns()
    assert (caught.value.symbol, caught.value.lost) == (DATASET.symbol, str(span(0, 5)))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"rows": 4}, "its runs hold 3 bars, not 4"),
        ({"runs": [-30_000, 2**40], "rows": 3}, "in no year that there is"),
        ({"rows": 2**40}, "more rows than"),
        ({"replaced": -1}, "more rows than"),
        ({"asked": [0, 1, 1]}, "its header cannot be read"),
        ({"runs": [-30_000, 2, -1, 2]}, "its spans are not in order"),
        ({"runs": [-30_000, 2, 0, 1]}, "its spans are not in order"),
        ({"runs": [150_000, -3, 3, 3]}, "its spans are not in order"),
        ({"rows": 3.0}, "its header cannot be read"),
        ({"asked": [1, 5]}, "off the grid"),
        ({"asked": [2**61 // 60_000 * 60_000 - 30_000, 5]}, "in no year that there is"),
        ({"asked": [-30_000, 2]}, "where nothing was asked"),
        ({"provisional": [-30_000 + 5 * 60_000, 1]}, "where nothing was asked"),
        ({"runs": [-30_000 + 9 * 60_000, 3]}, "where nothing was asked"),
        ({"asked": [-30_000.0, 5]}, "its header cannot be read"),
    ],
)
def test_a_forged_header_is_refused_before_anything_of_its_size_is_made(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(CorruptSegment, match=reason):
        decode(forge(body_of(SMALL), header=changed), "memory")


def test_a_stated_size_beyond_the_cap_is_refused_before_anything_is_read() -> None:
    data = SMALL[:16] + struct.pack("<Q", MAX_BODY_BYTES + 1) + SMALL[24:]
    with pytest.raises(CorruptSegment, match="size"):
        decode(data, "memory")


def test_a_whole_file_in_another_format_version_is_not_called_damaged() -> None:
    newer = forge(b"whatever", version=9)
    with pytest.raises(StorageUnavailable, match="format version 9, and this program reads versions 2 and 3"):
        decode(newer, "memory")
    with pytest.raises(StorageUnavailable, match="format version 9"):
        read_front(io.BytesIO(newer), len(newer), "memory")


def test_candles_and_spans_off_the_grid_are_not_written() -> None:
    other_grid = Dataset.fixed("memory", "A", Interval("1m"), anchor_ms=1)
    with pytest.raises(ValueError, match="off the dataset's grid"):
        encode(Segment(other_grid, build().history))


def test_a_segment_without_candles_keeps_what_was_asked() -> None:
    spans = [span(0, 5), span(7, 8)]
    decoded = decode(encode(Segment(DATASET, CandleHistory(DATASET.grid, KnownSpans.of(spans, 3)))), "memory")
    assert (decoded.history.known.spans, len(decoded.history.candles)) == (SpanSet(spans), 0)


def test_a_candle_costs_few_bytes_and_a_page_few_in_the_front() -> None:
    rng = np.random.default_rng(1)
    closes = np.round(100 + np.cumsum(rng.normal(0, 0.05, 40_000)), 2)
    opens = np.concatenate([[100.0], closes[:-1]])
    high, low = np.round(np.maximum(opens, closes) + 0.02, 2), np.round(np.minimum(opens, closes) - 0.02, 2)
    times = np.arange(40_000) * MINUTE_MS + ANCHOR_MS
    bars = Candles(times, opens, high, low, closes, np.round(rng.lognormal(9, 1, 40_000)))
    history = CandleHistory(DATASET.grid)
    for first in range(0, 40_000, 1000):
        page = span(first, first + 1000)
        history = history.with_answer(page, bars.within(page), None, 1_700_000_000_000 + first * 83)
    data = encode(Segment(DATASET, history))
    assert len(data) < 5 * len(bars)
    assert struct.unpack_from("<I", data, 12)[0] < 200
    assert len(history.known) == 40
    assert len(msgpack.packb(body_of(data)["known"])) < 8 * 40
