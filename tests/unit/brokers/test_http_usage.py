"""The usage in headers, and what it proves."""

from __future__ import annotations

import pytest

from adapters.brokers.binance.usage import used_weights
from adapters.brokers.http.usage import remaining_quota
from domain.limits.rates import Counts, RateLimit
from domain.limits.usage import BrokerUsage

NOON = "Fri, 01 Mar 2024 12:00:00 GMT"
NOON_SECONDS = 1_709_294_400
QUOTA = RateLimit.parse("100/60s@historical")


def test_every_used_weight_is_read_with_its_window_whatever_the_case() -> None:
    headers = {
        "X-MBX-USED-WEIGHT-1M": "40",
        "x-mbx-used-weight-10s": " 7 ",
        "X-MBX-USED-WEIGHT-1D": "9000",
        "X-MBX-USED-WEIGHT": "40",
        "X-MBX-ORDER-COUNT-10S": "3",
    }
    assert used_weights(headers, [RateLimit.parse("6000w/60s"), RateLimit.parse("50/10s")]) == (
        BrokerUsage(60.0, Counts.WEIGHT, 40, allowed=6000),
        BrokerUsage(10.0, Counts.WEIGHT, 7),
        BrokerUsage(86400.0, Counts.WEIGHT, 9000),
    )


@pytest.mark.parametrize("text", ["", "-5", "4.5", "many", "9" * 20])
def test_a_weight_that_is_no_count_says_nothing(text: str) -> None:
    assert used_weights({"X-MBX-USED-WEIGHT-1M": text}) == ()


def test_a_window_of_no_length_says_nothing() -> None:
    assert used_weights({"X-MBX-USED-WEIGHT-0M": "4"}) == ()


@pytest.mark.parametrize("prefix", ["X-RateLimit-", "x-ratelimit-", "RateLimit-"])
def test_what_remains_tells_what_was_used_in_the_window_that_the_gateway_names(prefix: str) -> None:
    headers = {f"{prefix}Limit": "120", f"{prefix}Remaining": "90", f"{prefix}Reset": "30"}
    usage = BrokerUsage(60.0, Counts.REQUESTS, 30, allowed=120, resets_after_seconds=30, pool="historical")
    assert remaining_quota(headers, QUOTA, now_seconds=0.0) == (usage,)


def test_without_a_limit_the_gateways_own_is_taken() -> None:
    [usage] = remaining_quota({"X-RateLimit-Remaining": "75"}, QUOTA, now_seconds=0.0)
    assert (usage.used, usage.allowed, usage.resets_after_seconds) == (25, None, None)


@pytest.mark.parametrize(
    ("reset", "date", "seconds"),
    [
        (str(NOON_SECONDS + 20), NOON, 20.0),
        (str((NOON_SECONDS + 20) * 1000), NOON, 20.0),
        (str(NOON_SECONDS + 20), "", 25.0),
        (str(NOON_SECONDS - 20), NOON, 0.0),
        ("3600", NOON, 3600.0),
        ("soon", NOON, None),
    ],
)
def test_a_reset_is_seconds_or_a_moment_by_the_brokers_clock(reset: str, date: str, seconds: float | None) -> None:
    headers = {"X-RateLimit-Remaining": "1", "X-RateLimit-Reset": reset, "Date": date}
    [usage] = remaining_quota(headers, QUOTA, now_seconds=NOON_SECONDS - 5.0)
    assert usage.resets_after_seconds == seconds


@pytest.mark.parametrize("headers", [{}, {"X-RateLimit-Limit": "100"}, {"X-RateLimit-Remaining": "few"}])
def test_without_what_remains_nothing_is_said(headers: dict[str, str]) -> None:
    assert remaining_quota(headers, QUOTA, now_seconds=0.0) == ()


def test_more_remaining_than_allowed_is_no_use() -> None:
    [usage] = remaining_quota({"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "130"}, QUOTA, now_seconds=0.0)
    assert usage.used == 0
