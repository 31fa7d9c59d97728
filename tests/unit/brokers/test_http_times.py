"""Times in headers: the broker's clock, and Retry-After."""

from __future__ import annotations

import pytest

from adapters.brokers.http.times import LONGEST_RETRY_SECONDS, broker_time_ms, retry_after_seconds

NOON = "Fri, 01 Mar 2024 12:00:00 GMT"
NOON_MS = 1_709_294_400_000


def test_the_brokers_clock_counts_from_when_the_request_left() -> None:
    assert broker_time_ms({"Date": NOON}, call_seconds=0.25, written_at_ms=5) == NOON_MS - 250


@pytest.mark.parametrize("headers", [{}, {"Date": "yesterday"}, {"Date": ""}])
def test_without_a_date_our_own_clock_at_the_write_counts(headers: dict[str, str]) -> None:
    assert broker_time_ms(headers, call_seconds=0.25, written_at_ms=5) == 5


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": " 1.5 "}, 1.5),
        ({"Retry-After": "0"}, None),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "soon"}, None),
        ({}, None),
        ({"Retry-After": "Fri, 01 Mar 2024 12:00:30 GMT", "Date": NOON}, 30.0),
        ({"Retry-After": "Fri, 01 Mar 2024 12:00:30 GMT"}, 20.0),
        ({"Retry-After": "Fri, 01 Mar 2024 11:00:00 GMT", "Date": NOON}, None),
        ({"Retry-After": "9" * 400}, LONGEST_RETRY_SECONDS),
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT", "Date": NOON}, LONGEST_RETRY_SECONDS),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_a_month_at_most(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(headers, now_seconds=NOON_MS / 1000 + 10) == seconds
