"""Pieces of candles: read file by file, decoded where they are wanted, put together in one block."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.candle_store import repository
from adapters.candle_store.block import CandleBlock
from adapters.candle_store.format.header import CHECKSUM_BYTES, PREAMBLE, checksum
from adapters.candle_store.layout import folder_of
from adapters.candle_store.repository import CandleFiles
from adapters.reading.reader import CandleReader
from domain.candles.candles import Candles, Column, stack
from domain.candles.dataset import Dataset, Interval
from domain.errors import CorruptSegment
from domain.spans.time_span import TimeSpan

MINUTE_MS = 60_000
MONTH_MS = 31 * 24 * 60 * MINUTE_MS
DATASET = Dataset("memory", "A", Interval("1m"))
SPAN = TimeSpan(0, 40 * MONTH_MS)
MONTHS = 12


def month(number: int, bars: int = 50) -> Candles:
    """Bars from somewhere inside each of consecutive files on, as an exchange has them."""
    numbers = np.random.default_rng(number)
    opens = 100 + np.round(numbers.normal(0, 1, bars).cumsum(), 2)
    close = np.round(opens + numbers.normal(0, 0.5, bars), 2)
    high, low = np.maximum(opens, close) + 0.25, np.minimum(opens, close) - 0.25
    volume = np.round(numbers.lognormal(5, 2, bars), 5)
    extras: dict[str, Column] = {"quote_volume": np.round(volume * close, 2), "trades": numbers.poisson(900, bars)}
    times = number * MONTH_MS + np.arange(bars) * MINUTE_MS
    return Candles(times, opens, high, low, close, volume, extras)


def save(files: CandleFiles, candles: Candles) -> None:
    times = candles.open_time_ms
    files.save(DATASET, TimeSpan(int(times[0]), int(times[-1]) + MINUTE_MS), candles)


@pytest.fixture
def files(tmp_path: Path) -> CandleFiles:
    files = CandleFiles(tmp_path)
    for number in range(MONTHS):
        save(files, month(number))
    return files


def paths(files: CandleFiles) -> list[Path]:
    return sorted(folder_of(files.root, DATASET).glob("*.candles"))


@pytest.mark.parametrize("which", [0, 5, -1])
def test_damage_in_any_file_is_told_with_its_path_and_leaves_no_thread(files: CandleFiles, which: int) -> None:
    before, path = threading.active_count(), paths(files)[which]
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    for read in (lambda: CandleReader(files).to_pandas("A"), lambda: files.read(DATASET, SPAN)):
        with pytest.raises(CorruptSegment) as caught:
            read()
        assert caught.value.path == str(path)
        assert threading.active_count() == before


def test_files_of_different_lengths_come_back_as_they_were_saved(tmp_path: Path) -> None:
    files, bars = CandleFiles(tmp_path), (20_000, 3, 40_000, 1, 9_000)
    saved = [month(number, count) for number, count in enumerate(bars)]
    for candles in saved:
        save(files, candles)
    assert files.read(DATASET, SPAN).identical(Candles.concatenate(saved))


def test_a_span_that_cuts_files_gives_the_bars_inside(files: CandleFiles) -> None:
    cut = TimeSpan(2 * MONTH_MS + 10 * MINUTE_MS, 4 * MONTH_MS + 20 * MINUTE_MS)
    whole = Candles.concatenate([month(number) for number in range(MONTHS)])
    assert files.read(DATASET, cut).identical(whole.within(cut))


def test_files_that_are_decoded_at_once_in_several_threads_do_not_disturb_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.candle_store.repository.os.cpu_count", lambda: 5)
    files = CandleFiles(tmp_path)
    saved = [month(number, 40_000) for number in range(6)]
    for candles in saved:
        save(files, candles)
    whole = Candles.concatenate(saved)
    cut = TimeSpan(10 * MINUTE_MS, 5 * MONTH_MS + 30_000 * MINUTE_MS)
    for _ in range(5):
        assert files.read(DATASET, cut).identical(whole.within(cut))
        assert files.read(DATASET, SPAN, as_of_ms=MONTH_MS).identical(whole)


def test_a_file_without_bars_in_the_span_adds_no_column(files: CandleFiles) -> None:
    times = np.array([50 * MONTH_MS, 50 * MONTH_MS + 10 * MINUTE_MS])
    values = np.ones(2)
    plain = Candles(times, values, values, values, values, values)
    files.save(DATASET, TimeSpan(int(times[0]), int(times[1]) + MINUTE_MS), plain)
    between = TimeSpan(int(times[0]) + MINUTE_MS, int(times[1]))
    assert files.read(DATASET, between).identical(Candles.empty())
    from_older = TimeSpan(11 * MONTH_MS + 49 * MINUTE_MS, int(times[1]))
    assert list(files.read(DATASET, from_older).extras) == ["quote_volume", "trades"]
    assert list(files.read(DATASET, TimeSpan(11 * MONTH_MS + 60 * MINUTE_MS, int(times[1]) + 1)).extras) == []


def test_a_file_without_bars_is_read_as_closely_as_any(files: CandleFiles) -> None:
    none = TimeSpan(30 * MONTH_MS, 30 * MONTH_MS + MINUTE_MS)
    files.save(DATASET, none, Candles.empty())
    path = paths(files)[-1]
    path.write_bytes(with_body(path.read_bytes(), pieces=2))
    for read in (lambda: CandleReader(files).to_pandas("A"), lambda: files.read(DATASET, SPAN)):
        with pytest.raises(CorruptSegment, match=path.name):
            read()


def with_body(data: bytes, **changed: Any) -> bytes:
    """The file with other entries in its body, and checksums that are right."""
    front_bytes = PREAMBLE.size + PREAMBLE.unpack_from(data)[2]
    body = msgpack.packb({**msgpack.unpackb(data[front_bytes + CHECKSUM_BYTES : -CHECKSUM_BYTES]), **changed})
    magic, version, header_bytes, _ = PREAMBLE.unpack_from(data)
    front = PREAMBLE.pack(magic, version, header_bytes, len(body)) + data[PREAMBLE.size : front_bytes]
    content = front + checksum(front) + body
    return content + checksum(content)


def test_pieces_kept_for_later_do_not_disturb_each_other(files: CandleFiles) -> None:
    kept = [piece for _, piece in files.read_pieces([DATASET], SPAN)]
    for number, piece in reversed(list(enumerate(kept))):
        assert Candles.from_columns(piece.columns()).identical(month(number))


def test_few_pieces_live_while_candles_are_put_together(files: CandleFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    living: weakref.WeakSet[Any] = weakref.WeakSet()
    most, read, threads = [0], repository.read_packed, 2
    monkeypatch.setattr("adapters.candle_store.repository.os.cpu_count", lambda: threads + 1)

    def counted(*arguments: Any) -> Any:
        piece = read(*arguments)
        living.add(piece)
        most[0] = max(most[0], len(living))
        return piece

    monkeypatch.setattr(repository, "read_packed", counted)
    assert len(files.read(DATASET, SPAN)) == 50 * MONTHS
    assert 0 < most[0] <= threads + 2
    assert not living


@pytest.mark.parametrize("grown", [month(3, 5000), month(20, 5000)])
def test_a_store_that_grows_after_it_was_counted_is_read_as_it_is(
    files: CandleFiles, grown: Candles, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = CandleFiles.rows_at_most

    def count_then_grow(self: CandleFiles, datasets: Sequence[Dataset], span: TimeSpan) -> int:
        rows = count(self, datasets, span)
        save(self, grown)
        return rows

    monkeypatch.setattr(CandleFiles, "rows_at_most", count_then_grow)
    first, second = files.read(DATASET, SPAN), files.read(DATASET, SPAN)
    assert first.identical(second)
    assert len(first) == 50 * MONTHS + 5000 - (50 if grown.open_time_ms[0] < MONTHS * MONTH_MS else 0)


@st.composite
def some_candles(draw: st.DrawFn, first: int) -> Candles:
    bars = draw(st.integers(0, 4))
    values = np.arange(bars) / 3 + first
    kinds = {"none": None, "count": np.arange(bars), "float": values}
    drawn = {name: kinds[draw(st.sampled_from(sorted(kinds)))] for name in ("x", "y")}
    extras = {name: column for name, column in drawn.items() if column is not None}
    return Candles(np.arange(bars) + first, values, values, values, values, values, extras)


@given(st.data(), st.integers(0, 6), st.integers(0, 30))
@settings(deadline=None)
def test_a_block_holds_one_piece_after_the_other(data: st.DataObject, pieces: int, rows_at_most: int) -> None:
    parts = [data.draw(some_candles(10 * number)) for number in range(pieces)]
    block = CandleBlock(rows_at_most)
    for part in parts:
        block.append(part)
    parts = [part for part in parts if len(part)]
    columns = block.columns()
    assert columns.keys() == stack(parts).keys()
    for name, column in columns.items():
        of_parts = [of.get(name) for of in (part.columns() for part in parts)]
        types = {of.dtype for of in of_parts if of is not None}
        missing = 0 if column.dtype == np.int64 else np.nan
        values = list(filled(of_parts, parts, missing))
        assert column.dtype == (np.float64 if np.dtype(np.float64) in types else np.int64)
        np.testing.assert_array_equal(column, np.concatenate(values))


def filled(columns: Sequence[Column | None], parts: Sequence[Candles], missing: float) -> Iterator[Column]:
    for column, part in zip(columns, parts, strict=True):
        yield np.full(len(part), missing) if column is None else column
