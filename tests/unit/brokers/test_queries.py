"""How a long span becomes few queries."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as some

from adapters.calendars import TradingCalendars
from domain.brokers.listing import Listing
from domain.brokers.queries import Instrument, Wanted, cut, grouped, listed, shared
from domain.candles.dataset import Dataset, Interval
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan

MINUTE_MS = 60_000
DATASET = Dataset("memory", "A", Interval("1m"))

minute_sets = some.lists(some.tuples(some.integers(0, 120), some.integers(1, 40)), max_size=6).map(
    lambda pairs: SpanSet(TimeSpan(first * MINUTE_MS, (first + length) * MINUTE_MS) for first, length in pairs)
)


@given(minute_sets, minute_sets, some.integers(1, 30), some.booleans())
def test_queries_hold_all_that_is_wanted_and_never_more_expected_bars_than_a_response_has(
    spans: SpanSet, expected: SpanSet, most_bars: int, may_bridge: bool
) -> None:
    queries = cut(Wanted(spans, expected, may_bridge), DATASET, most_bars)
    assert all(earlier.end_ms <= later.start_ms for earlier, later in pairwise(queries))
    assert spans - SpanSet(queries) == ()
    for query in queries:
        assert DATASET.count(expected.within(query)) <= most_bars
        assert spans.within(query)
    if not may_bridge:
        assert SpanSet(queries) == spans


@given(minute_sets, some.integers(1, 30))
def test_where_every_bar_is_expected_no_fewer_queries_would_do(spans: SpanSet, most_bars: int) -> None:
    queries = cut(Wanted(spans, spans), DATASET, most_bars)
    assert len(queries) == sum(-(-DATASET.count([span]) // most_bars) for span in spans)


def test_a_year_of_minutes_of_a_market_is_cut_by_its_bars_and_not_by_the_clock() -> None:
    year = TimeSpan.between(datetime(2023, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC))
    expected = TradingCalendars(()).named("XNYS", year).expected(DATASET, year)
    queries = cut(Wanted(SpanSet([year]), expected), DATASET, 1000)
    assert DATASET.count(expected) == 97_140
    assert len(queries) == 98
    assert SpanSet(queries) == (year,)


def test_symbols_are_begun_together_that_one_query_may_name() -> None:
    assert grouped("ABCDE", 2) == [("A", "B"), ("C", "D"), ("E",)]


INSTRUMENTS = [Instrument.of(Dataset("memory", symbol, Interval("1m"))) for symbol in "ABC"]


@given(some.lists(minute_sets, min_size=3, max_size=3))
def test_what_several_want_is_shared_out_so_that_each_is_asked_for_all_it_wants_and_nothing_else(
    sets: list[SpanSet],
) -> None:
    wanted = {one: Wanted(spans, spans) for one, spans in zip(INSTRUMENTS, sets, strict=True)}
    pieces = shared(wanted)
    assert all(earlier.end_ms <= later.start_ms for (earlier, _), (later, _) in pairwise(pieces))
    for one, spans in zip(INSTRUMENTS, sets, strict=True):
        assert SpanSet(span for span, instruments in pieces if one in instruments) == spans
    for (earlier, first), (later, second) in pairwise(pieces):
        assert earlier.end_ms < later.start_ms or first != second


@given(minute_sets, some.integers(-10, 200), some.none() | some.integers(0, 100))
def test_no_bar_is_expected_outside_of_a_listing_and_all_is_still_wanted(
    spans: SpanSet, first: int, length: int | None
) -> None:
    end_ms = None if length is None else (first + length) * MINUTE_MS
    instrument = Instrument(DATASET, "A", Listing(first * MINUTE_MS, end_ms, "/listing", 0))
    found = listed(Wanted(spans, spans), instrument)
    last_ms = 10**9 if end_ms is None else end_ms
    assert found.spans == spans
    assert found.expected == spans.within(TimeSpan(first * MINUTE_MS, last_ms))


def test_without_a_word_on_the_listing_nothing_changes() -> None:
    wanted = Wanted(SpanSet([TimeSpan(0, MINUTE_MS)]), SpanSet([TimeSpan(0, MINUTE_MS)]))
    unsaid = Instrument(DATASET, "A", Listing(None, None, "/listing", 0))
    assert listed(wanted, Instrument.of(DATASET)) == listed(wanted, unsaid) == wanted
