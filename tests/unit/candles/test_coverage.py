"""Coverage: stored, confirmed empty, provisional and never asked are four different things."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from domain.candles.coverage import Coverage
from domain.spans.grid import FixedGrid
from domain.spans.time_span import TimeSpan

INTERVAL_MS = 10
GRID = FixedGrid(INTERVAL_MS)
grid = st.integers(-20, 20).map(lambda number: number * INTERVAL_MS)
spans = st.tuples(grid, st.integers(0, 15)).map(lambda pair: TimeSpan(pair[0], pair[0] + pair[1] * INTERVAL_MS))


def bars(*spans: TimeSpan) -> set[int]:
    return {opening for span in spans for opening in range(span.start_ms, span.end_ms, INTERVAL_MS)}


@given(spans, st.lists(spans), st.sets(grid), st.lists(spans), grid)
@example(TimeSpan(10, 10), [TimeSpan(0, 20)], set(), [TimeSpan(0, 20)], 10)
def test_each_bar_of_the_span_is_in_one_of_four_states(
    span: TimeSpan, asked: list[TimeSpan], openings: set[int], marked: list[TimeSpan], settled_before: int
) -> None:
    stored = openings & bars(*asked)
    unsettled = bars(*marked) & bars(*asked)
    provisional = [TimeSpan(opening, opening + INTERVAL_MS) for opening in unsettled]
    coverage = Coverage.of(span, asked, np.array(sorted(stored), np.int64), GRID, provisional)
    assert bars(*coverage.provisional) == unsettled & bars(span)
    assert bars(*coverage.stored) == (stored - unsettled) & bars(span)
    assert bars(*coverage.denied) == (bars(*asked) - stored - unsettled) & bars(span)
    assert bars(*coverage.missing) == bars(span) - bars(*asked)
    assert coverage.is_complete == (not coverage.missing)
    pieces = [*coverage.stored, *coverage.denied, *coverage.provisional, *coverage.missing]
    assert sum(piece.duration_ms for piece in pieces) == span.duration_ms
    assert all(pieces)
    due = {opening for opening in unsettled & bars(span) if opening < settled_before}
    assert bars(*coverage.due(settled_before)) == due
    assert bars(*coverage.to_ask(settled_before)) == bars(*coverage.missing) | due


def test_a_hole_in_the_middle_is_asked_again_and_a_holiday_is_not() -> None:
    asked = [TimeSpan(0, 50), TimeSpan(70, 100)]
    coverage = Coverage.of(TimeSpan(0, 100), asked, np.array([0, 10, 40, 70, 80, 90]), GRID)
    assert coverage.stored == (TimeSpan(0, 20), TimeSpan(40, 50), TimeSpan(70, 100))
    assert coverage.denied == (TimeSpan(20, 40),)
    assert coverage.missing == (TimeSpan(50, 70),)


def test_an_empty_span_is_complete_and_an_unasked_one_is_not() -> None:
    assert Coverage(TimeSpan(5, 5)).is_complete
    assert Coverage(TimeSpan(0, 10)).missing == (TimeSpan(0, 10),)


@given(st.sets(grid))
def test_runs_hold_the_openings_and_nothing_else(openings: set[int]) -> None:
    runs = GRID.runs_of(np.array(sorted(openings), np.int64))
    assert bars(*runs) == openings
    assert all(earlier.end_ms < later.start_ms for earlier, later in pairwise(runs))
