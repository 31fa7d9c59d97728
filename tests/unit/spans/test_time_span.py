"""TimeSpan against sets of single milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan, from_milliseconds, to_milliseconds

small_spans = st.tuples(st.integers(-40, 40), st.integers(0, 25)).map(lambda pair: TimeSpan(pair[0], sum(pair)))


def moments(*spans: TimeSpan) -> set[int]:
    return {moment for span in spans for moment in range(span.start_ms, span.end_ms)}


@given(small_spans, small_spans)
def test_an_intersection_is_what_both_have(one: TimeSpan, other: TimeSpan) -> None:
    assert moments(one.intersect(other)) == moments(one) & moments(other)
    assert one.covers(other) == (moments(other) <= moments(one))


@given(small_spans, st.integers(1, 30))
def test_pages_follow_each_other_and_make_up_the_span(span: TimeSpan, page_ms: int) -> None:
    pages = list(span.pages(page_ms))
    assert SpanSet(pages) == SpanSet([span])
    assert sum(page.duration_ms for page in pages) == span.duration_ms
    assert all(page.duration_ms == page_ms for page in pages[:-1])


@given(
    st.datetimes(timezones=st.just(UTC)).map(
        lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    )
)
def test_milliseconds_go_both_ways(moment: datetime) -> None:
    assert from_milliseconds(to_milliseconds(moment)) == moment


def test_a_zone_other_than_utc_means_the_same_moment() -> None:
    tokyo = datetime(2024, 3, 1, 9, tzinfo=timezone(timedelta(hours=9)))
    assert to_milliseconds(tokyo) == to_milliseconds(datetime(2024, 3, 1, tzinfo=UTC))


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        to_milliseconds(datetime(2024, 3, 1))  # noqa: DTZ001 - the point of the test


def test_a_moment_finer_than_a_millisecond_is_refused() -> None:
    with pytest.raises(ValueError, match="finer than a millisecond"):
        to_milliseconds(datetime(2024, 3, 1, microsecond=1, tzinfo=UTC))


def test_a_span_cannot_end_before_it_starts() -> None:
    with pytest.raises(ValueError, match="before it starts"):
        TimeSpan(2, 1)


def test_pages_of_no_length_are_refused() -> None:
    with pytest.raises(ValueError, match="longer than nothing"):
        list(TimeSpan(0, 1).pages(0))


def test_a_span_reads_as_half_open_utc_times() -> None:
    assert str(TimeSpan(0, 86_400_000)) == "[1970-01-01T00:00:00Z, 1970-01-02T00:00:00Z)"
