"""KnownSpans: what was answered first stays known since then."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domain.candles.known_spans import KnownSpans
from domain.spans.time_span import TimeSpan

INTERVAL_MS = 10
spans = st.tuples(st.integers(-9, 9), st.integers(0, 6)).map(
    lambda pair: TimeSpan(pair[0] * INTERVAL_MS, (pair[0] + pair[1]) * INTERVAL_MS)
)


def bars(*some: TimeSpan) -> set[int]:
    return {opening for span in some for opening in range(span.start_ms, span.end_ms, INTERVAL_MS)}


@given(st.lists(st.tuples(spans, st.integers(0, 3), st.sets(st.integers(-9, 15)))))
def test_each_opening_is_known_since_its_first_answer_or_since_its_late_bar_came(
    answers: list[tuple[TimeSpan, int, set[int]]],
) -> None:
    known = KnownSpans.nothing()
    expected: dict[int, int] = {}
    for asked, moment, numbers in answers:
        late = sorted({number * INTERVAL_MS for number in numbers} & bars(asked) & expected.keys())
        openings = np.array(late, np.int64)
        known = known.answered(asked, moment).changed(openings, openings + INTERVAL_MS, moment)
        expected = dict.fromkeys(bars(asked), moment) | expected | dict.fromkeys(late, moment)
    openings = np.array(sorted(expected), np.int64)
    assert known.since(openings).tolist() == [expected[opening] for opening in openings.tolist()]
    assert bars(*known.spans) == expected.keys()
    everywhere = np.arange(-300, 300, INTERVAL_MS)
    assert known.holds(everywhere).tolist() == [opening in expected for opening in everywhere.tolist()]
    starts, ends, since = known.columns()
    touches = starts[1:] == ends[:-1]
    assert bool((starts[1:] >= ends[:-1]).all())
    assert not bool((touches & (since[1:] == since[:-1])).any())
