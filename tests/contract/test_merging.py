"""Answers merged into a candle file that others write, too, over stores that fail now and then."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from adapters.candle_store.format.header import FIRST_READ_BYTES
from adapters.candle_store.format.scratch import Scratch
from adapters.candle_store.format.segment import PackedSegment
from adapters.candle_store.objects.base import ObjectStore, StoredObject, Version, VersionConflict
from adapters.candle_store.objects.local import LocalObjects
from adapters.candle_store.objects.parts import ObjectParts
from adapters.candle_store.segments import Answer, front_of, merge_into
from adapters.in_memory import InMemoryObjects
from domain.candles.candles import Candles
from domain.candles.dataset import Dataset, Interval
from domain.candles.history import CandleHistory
from domain.errors import StorageUnavailable
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan

MINUTE_MS = 60_000
MARCH_MS = 1_709_251_200_000
DATASET = Dataset("memory", "A", Interval("1m"))
NAME = "2024-03.candles"
PAGES = 40


def page(number: int) -> Answer:
    times = MARCH_MS + np.arange(number * 10, number * 10 + 10) * MINUTE_MS
    prices = np.full(10, 1.0 + number)
    span = TimeSpan(MARCH_MS + number * 10 * MINUTE_MS, MARCH_MS + (number + 1) * 10 * MINUTE_MS)
    return Answer(span, Candles(times, prices, prices, prices, prices, prices), None, number)


def merge(objects: ObjectStore, number: int) -> None:
    """Merge a page as a worker saves it: what cannot be reached is tried again."""
    while True:
        try:
            merge_into(objects, Path(NAME), DATASET, page(number))
        except StorageUnavailable:
            continue
        return


def history(objects: ObjectStore) -> CandleHistory:
    found = objects.get(NAME)
    assert found is not None
    return PackedSegment(found.content, NAME, Scratch()).history()


@pytest.mark.parametrize(
    "new_store",
    [
        pytest.param(LocalObjects, id="local"),
        pytest.param(lambda _: InMemoryObjects(), id="in memory"),
        pytest.param(lambda _: InMemoryObjects(seed=1, share_of_failures=0.5), id="in memory, half of the writes fail"),
    ],
)
def test_of_pages_merged_at_once_none_is_lost_and_each_keeps_its_as_of(
    tmp_path: Path, new_store: Callable[[Path], ObjectStore]
) -> None:
    objects = new_store(tmp_path)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: merge(objects, number), range(PAGES)))
    merged = history(objects)
    whole = Candles.concatenate([page(number).candles for number in range(PAGES)])
    assert merged.candles.identical(whole)
    assert merged.known.spans == SpanSet([TimeSpan(MARCH_MS, MARCH_MS + PAGES * 10 * MINUTE_MS)])
    assert len(merged.replaced) == 0
    for number in range(PAGES):
        assert len(merged.as_of(number)) == 10 * (number + 1)


def test_an_answer_that_changes_nothing_is_not_written() -> None:
    objects = InMemoryObjects()
    merge(objects, 0)
    before = objects.get(NAME)
    merge(objects, 0)
    assert objects.get(NAME) == before


def parts_of(objects: ObjectStore, key: str = "x") -> ObjectParts:
    first = objects.get_range(key, 0, FIRST_READ_BYTES)
    assert first is not None
    return ObjectParts(objects, key, first)


@pytest.mark.parametrize("size", [0, 1, FIRST_READ_BYTES, FIRST_READ_BYTES + 1, 3 * FIRST_READ_BYTES])
def test_the_parts_of_an_object_read_on_make_up_the_whole(size: int) -> None:
    objects, content = InMemoryObjects(), np.random.default_rng(size).bytes(size)
    objects.put_if("x", content, None)
    parts = parts_of(objects)
    assert parts.read(5) + parts.read(FIRST_READ_BYTES) + parts.read(10) + parts.read() + parts.read() == content


@pytest.mark.parametrize("replace", [True, False])
def test_parts_of_two_versions_are_never_put_together(replace: bool) -> None:
    objects = InMemoryObjects()
    version: Version = objects.put_if("x", b"old" * FIRST_READ_BYTES, None)
    parts = parts_of(objects)
    assert parts.read(3) == b"old"
    if replace:
        objects.put_if("x", b"new" * FIRST_READ_BYTES, version)
    else:
        objects.delete("x")
    with pytest.raises(VersionConflict):
        parts.read()


def with_holes(minutes: int) -> Answer:
    """A bar every other minute: so many runs that the header is longer than the first part read of a file."""
    times = MARCH_MS + np.arange(0, minutes, 2) * MINUTE_MS
    prices = np.full(len(times), 1.0)
    span = TimeSpan(MARCH_MS, MARCH_MS + minutes * MINUTE_MS)
    return Answer(span, Candles(times, prices, prices, prices, prices, prices), None, 1)


class ReplacedInBetween(InMemoryObjects):
    """Merges another answer between the first two parts that are read."""

    later: Answer | None = None

    def get_range(self, key: str, start: int, length: int) -> StoredObject | None:
        if start and self.later:
            later, self.later = self.later, None
            merge_into(self, Path(key), DATASET, later)
        return super().get_range(key, start, length)


def test_a_header_that_is_replaced_between_its_two_parts_is_read_again() -> None:
    objects = ReplacedInBetween()
    merge_into(objects, Path(NAME), DATASET, with_holes(12_000))
    assert front_of(objects, Path(NAME)).rows == 6_000
    objects.later = with_holes(20_000)
    assert front_of(objects, Path(NAME)).rows == 10_000
    assert objects.later is None
