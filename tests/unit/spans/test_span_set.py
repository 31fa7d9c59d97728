"""SpanSet against sets of single milliseconds."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan

spans = st.tuples(st.integers(-40, 40), st.integers(0, 25)).map(lambda pair: TimeSpan(pair[0], sum(pair)))
lists = st.lists(spans, max_size=12)
sets = lists.map(SpanSet)


def moments(pieces: Iterable[TimeSpan]) -> set[int]:
    return {moment for piece in pieces for moment in range(piece.start_ms, piece.end_ms)}


def is_set(pieces: SpanSet) -> bool:
    """Whether it is what `SpanSet` promises, however it was made."""
    return type(pieces) is SpanSet and all(pieces) and all(a.end_ms < b.start_ms for a, b in pairwise(pieces))


@given(lists)
def test_a_set_holds_the_moments_of_its_spans_in_order_and_none_that_touch(pieces: list[TimeSpan]) -> None:
    made = SpanSet(pieces)
    assert is_set(made)
    assert moments(made) == moments(pieces)
    assert made.duration_ms == len(moments(pieces))
    assert SpanSet(made) == made == tuple(made)


@given(sets, sets)
def test_its_arithmetic_is_that_of_sets_of_moments(left: SpanSet, right: SpanSet) -> None:
    for found, expected in (
        (left | right, moments(left) | moments(right)),
        (left & right, moments(left) & moments(right)),
        (left - right, moments(left) - moments(right)),
    ):
        assert moments(found) == expected
        assert is_set(found)


@given(sets, spans)
def test_within_a_span_is_the_same_as_in_common_with_it(pieces: SpanSet, span: TimeSpan) -> None:
    assert pieces.within(span) == pieces & SpanSet([span])
    assert pieces.covers(span) == (moments([span]) <= moments(pieces))


@given(sets)
def test_the_extent_goes_from_the_first_moment_to_the_last(pieces: SpanSet) -> None:
    held = moments(pieces)
    assert (pieces.extent.start_ms, pieces.extent.end_ms) == ((min(held), max(held) + 1) if held else (0, 0))


@given(sets, st.integers(1, 20))
def test_groups_hold_every_span_and_are_no_longer_than_allowed(pieces: SpanSet, longest_ms: int) -> None:
    groups = pieces.grouped(longest_ms)
    assert moments(pieces) <= moments(groups)
    assert all(0 < group.duration_ms <= longest_ms for group in groups)
    assert all(earlier.end_ms <= later.start_ms for earlier, later in pairwise(groups))
    assert all(group.start_ms in moments(pieces) and group.end_ms - 1 in moments(pieces) for group in groups)


@given(sets)
def test_a_set_arrives_in_another_process_as_the_set_it_was(pieces: SpanSet) -> None:
    arrived = pickle.loads(pickle.dumps(pieces))
    assert (arrived, type(arrived)) == (pieces, SpanSet)
