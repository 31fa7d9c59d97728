"""Completeness and certificates: what is told of a dataset follows from coverage, calendar and bars alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domain.candles.candles import Candles
from domain.candles.certificates import BLOCK_BARS, Certificate, ContentHash, block_spans, hash_of_all, problems_of
from domain.candles.completeness import Completeness
from domain.candles.coverage import Coverage
from domain.candles.dataset import Dataset, Interval
from domain.candles.ports import DamagedSegment
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan
from tests.unit.collecting.worker_bench import MINUTE_MS, bars, minutes

DATASET = Dataset("memory", "A", Interval("1m"))
DAY = minutes(0, 60)

pieces = st.lists(st.tuples(st.integers(0, 59), st.integers(1, 12)), max_size=6).map(
    lambda pairs: SpanSet(minutes(start, min(60, start + length)) for start, length in pairs)
)


def moments(spans: Iterable[TimeSpan]) -> set[int]:
    return {moment for span in spans for moment in range(span.start_ms, span.end_ms, MINUTE_MS)}


@given(pieces, pieces, pieces, pieces)
def test_every_bar_of_the_span_is_stored_missing_gap_closed_or_provisional(
    asked: SpanSet, runs: SpanSet, provisional: SpanSet, expected: SpanSet
) -> None:
    coverage = Coverage.from_runs(DAY, [*asked, *runs, *provisional], runs, provisional)
    one = Completeness.of(DATASET, coverage, "TEST", expected, DAY.end_ms)
    parts = [moments(part) for part in (one.stored, one.missing, one.gaps, one.closed, one.provisional)]
    assert set().union(*parts) == moments((DAY,))
    assert sum(map(len, parts)) == 60
    assert moments(one.gaps) <= moments(expected)
    assert not moments(one.closed) & moments(expected)
    assert moments(one.unexpected) == moments(one.stored) - moments(expected)
    assert sum(count for _, count in one.gap_runs) == len(moments(one.gaps))


def test_a_night_does_not_divide_a_gap_but_a_bar_does() -> None:
    coverage = Coverage(DAY, stored=SpanSet([minutes(30, 31)]), denied=SpanSet([minutes(0, 30), minutes(31, 60)]))
    one = Completeness.of(DATASET, coverage, "TEST", SpanSet([minutes(2, 5), minutes(10, 20), minutes(25, 40)]), 0)
    assert one.gap_runs == [(minutes(2, 30), 3 + 10 + 5), (minutes(31, 40), 9)]


def test_a_gap_is_an_answer_and_what_is_due_is_not() -> None:
    whole = Completeness.of(DATASET, Coverage(DAY, denied=SpanSet([DAY])), "24/7", SpanSet([DAY]), 0)
    assert (whole.is_complete, whole.needs_repair) == (True, True)
    fresh = Coverage(DAY, provisional=SpanSet([DAY]))
    assert Completeness.of(DATASET, fresh, "24/7", SpanSet([DAY]), settled_before_ms=0).is_complete
    assert not Completeness.of(DATASET, fresh, "24/7", SpanSet([DAY]), settled_before_ms=DAY.end_ms).is_complete


def test_what_a_damaged_file_held_is_missing() -> None:
    damage = DamagedSegment("x.candles", "its checksum does not match", minutes(50, 80))
    one = Completeness.of(DATASET, Coverage(DAY, stored=SpanSet([DAY])), "24/7", SpanSet([DAY]), 0, [damage])
    assert (one.missing, one.is_complete) == ((minutes(50, 60),), False)
    assert problems_of(one, Counter()) == [
        "x.candles: its checksum does not match",
        f"{minutes(50, 60)}: 10 bars never answered",
    ]


def fingerprint(*parts: Candles, dataset: Dataset = DATASET) -> str:
    content = ContentHash(dataset)
    for part in parts:
        content.add(part)
    return content.text()


def test_content_is_hashed_bit_for_bit() -> None:
    plain = bars(10)
    columns = plain.columns()
    assert fingerprint(plain) == fingerprint(bars(10))
    assert fingerprint(plain) != fingerprint(bars(9))
    assert fingerprint(plain) != fingerprint(bars(10, first=1))
    assert fingerprint(plain) != fingerprint(plain, dataset=replace(DATASET, symbol="B"))
    for name in ("open", "volume"):
        nudged = columns[name].copy()
        nudged[3] = np.nextafter(nudged[3], np.inf)
        assert fingerprint(Candles.from_columns({**columns, name: nudged})) != fingerprint(plain)


def test_a_column_that_says_nothing_changes_no_fingerprint_and_one_that_does_changes_it() -> None:
    columns = bars(10).columns()
    filled = {"vwap": np.full(10, np.nan), "trades": np.zeros(10, np.int64)}
    assert fingerprint(Candles.from_columns({**columns, **filled})) == fingerprint(bars(10))
    assert fingerprint(Candles.from_columns({**columns, "vwap": np.ones(10)})) != fingerprint(bars(10))


@given(st.integers(-3 * BLOCK_BARS, 3 * BLOCK_BARS), st.integers(1, 2 * BLOCK_BARS), st.integers(1, 3))
def test_the_fingerprint_does_not_depend_on_how_much_is_read_at_a_time(first: int, count: int, blocks: int) -> None:
    candles = bars(count, first)
    span = minutes(first, first + count)
    read = list(block_spans(DATASET, span, blocks))
    assert SpanSet(read) == (span,)
    assert fingerprint(*(candles.within(piece) for piece in read)) == fingerprint(candles)


def test_one_fingerprint_over_all_knows_no_order() -> None:
    empty = Completeness.of(DATASET, Coverage(DAY), "24/7", [], 0)
    some = [Certificate(empty, 0, 0, fingerprint(bars(count))) for count in (1, 2, 3)]
    assert hash_of_all(some) == hash_of_all(reversed(some))
    assert hash_of_all(some) != hash_of_all(some[:2])
