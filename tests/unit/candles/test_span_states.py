"""What is known of spans without bars: one state each, and a bar is worth more than any."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.candles.bar_sources import BarSources
from domain.candles.candles import Candles
from domain.candles.completeness import Completeness
from domain.candles.dataset import Dataset, Interval
from domain.candles.history import CandleHistory
from domain.candles.listings import Listing
from domain.candles.span_states import STATES, SpanStates
from domain.spans.grid import FixedGrid
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan

STEP_MS = 10
GRID = FixedGrid(STEP_MS)
WINDOW = TimeSpan(0, 20 * STEP_MS)
places = st.integers(0, 19)
answers = st.lists(
    st.tuples(places, places, st.sets(places), st.dictionaries(places, st.sampled_from(STATES)), st.booleans()),
    max_size=5,
)


def span(first: int, end: int) -> TimeSpan:
    return TimeSpan(first * STEP_MS, end * STEP_MS)


def bars(numbers: set[int]) -> Candles:
    times = np.array(sorted(numbers), np.int64) * STEP_MS
    ones = np.ones(len(times))
    return Candles(times, ones, ones, ones, ones, ones)


def states_of(told: dict[int, str]) -> SpanStates:
    return SpanStates(*(SpanSet(span(at, at + 1) for at in told if told[at] == state) for state in STATES))


def numbers_in(spans: SpanSet) -> set[int]:
    return set((GRID.openings(spans) // STEP_MS).tolist())


@given(answers)
def test_each_bar_of_the_span_is_in_the_state_that_its_last_answer_gave_it(
    given_answers: list[tuple[int, int, set[int], dict[int, str], bool]],
) -> None:
    history, expected = CandleHistory(GRID), dict[int, str]()
    for one, other, present, told, is_provisional in given_answers:
        first, end = sorted((one, other))
        came = {number for number in present if first <= number < end}
        provisional_from_ms = first * STEP_MS if is_provisional else None
        history = history.with_answer(span(first, end), bars(came), provisional_from_ms, 1, states_of(told))
        for number in range(first, end):
            has_bar = number in came or number in set((history.candles.open_time_ms // STEP_MS).tolist())
            state = "stored" if has_bar else told.get(number, "denied without evidence")
            is_answer = state in ("stored", "denied", "refused", "denied without evidence")
            expected[number] = "provisional" if is_provisional and is_answer else state
    coverage = history.coverage(WINDOW)
    found = {
        number: name for name in (*STATES, "stored", "provisional") for number in numbers_in(getattr(coverage, name))
    }
    found |= dict.fromkeys(numbers_in(coverage.denied_without_evidence), "denied without evidence")
    assert found == expected
    asks = {"doubtful", "unanswered"}
    missing = {number for number in range(20) if expected.get(number) in asks or number not in expected}
    assert numbers_in(coverage.missing) == missing
    assert numbers_in(coverage.never_asked) == set(range(20)) - expected.keys()
    assert coverage.is_complete == (not missing)


def test_no_span_is_in_two_states() -> None:
    with pytest.raises(ValueError, match="two states at once"):
        SpanStates(doubtful=SpanSet([span(0, 2)]), refused=SpanSet([span(1, 3)]))
    with pytest.raises(ValueError, match="two sources at once"):
        BarSources((("rest", SpanSet([span(0, 2)])), ("archive", SpanSet([span(1, 3)]))))


def test_what_an_earlier_version_believed_at_once_is_told_from_what_was_denied_on_evidence() -> None:
    earlier = CandleHistory(GRID).with_answer(span(0, 10), bars({0, 1}), None, 1)
    assert earlier.coverage(WINDOW).denied_without_evidence == (span(2, 10),)
    asked_again = earlier.with_answer(span(2, 5), bars(set()), None, 2, SpanStates(denied=SpanSet([span(2, 5)])))
    coverage = asked_again.coverage(WINDOW)
    assert (coverage.denied, coverage.denied_without_evidence) == ((span(2, 10),), (span(5, 10),))


def test_what_was_denied_before_and_is_doubtful_now_is_asked_again_and_a_bar_is_not() -> None:
    history = CandleHistory(GRID).with_answer(span(0, 10), bars({3}), None, 1)
    doubted = history.with_answer(span(2, 5), bars(set()), None, 2, SpanStates(doubtful=SpanSet([span(2, 5)])))
    coverage = doubted.coverage(WINDOW)
    assert coverage.doubtful == (span(2, 3), span(4, 5))
    assert coverage.stored == (span(3, 4),)
    answered = doubted.with_answer(span(4, 5), bars({4}), None, 3)
    assert answered.coverage(WINDOW).doubtful == (span(2, 3),)
    assert answered.known.since(np.array([40])).tolist() == [3]


def test_repair_asks_for_what_was_refused_or_out_of_reach_and_not_for_what_was_unlisted() -> None:
    def judged(states: SpanStates) -> Completeness:
        history = CandleHistory(GRID).with_answer(WINDOW, bars(set()), None, 1, states)
        dataset = Dataset("memory", "A", Interval("1d"))
        return Completeness.of(dataset, history.coverage(WINDOW), "24/7", SpanSet([WINDOW]), 0)

    whole = SpanSet([WINDOW])
    asked = {name for name in STATES if judged(SpanStates(**{name: whole})).needs_repair}
    assert asked == {"denied", "refused", "out_of_reach", "doubtful", "unanswered"}
    complete = {name for name in STATES if judged(SpanStates(**{name: whole})).is_complete}
    assert complete == {"denied", "refused", "out_of_reach", "unlisted"}


def test_a_source_is_remembered_until_its_bars_come_from_another() -> None:
    history = CandleHistory(GRID).with_answer(span(0, 6), bars({0, 1, 2, 5}), None, 1, source="rest")
    history = history.with_answer(span(1, 2), bars({1}), None, 2, source="archive")
    history = history.with_answer(span(5, 6), bars({5}), None, 3)
    assert history.sources.runs == (
        ("archive", SpanSet([span(1, 2)])),
        ("rest", SpanSet([span(0, 1), span(2, 3)])),
    )


def test_the_latest_listing_of_each_source_is_kept() -> None:
    history = CandleHistory(GRID).with_listing(Listing("list", 1, 10)).with_listing(Listing("a person", 2, 20))
    assert history.with_listing(Listing("list", 3)).listings == (Listing("a person", 2, 20), Listing("list", 3))
    assert not history.identical(replace(history, listings=()))
