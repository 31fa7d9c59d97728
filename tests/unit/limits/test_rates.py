from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.limits.rates import AccountLimits, Counts, RateLimit, ideal_makespan_seconds


def account(*limits: str, timeout: float = 10.0, abandoned: float = 10.0, valid: float = 2.0) -> AccountLimits:
    return AccountLimits("binance", "default", tuple(map(RateLimit.parse, limits)), timeout, abandoned, valid)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("15/1s", RateLimit(15, 1.0)),
        ("15/s", RateLimit(15, 1.0)),
        ("6000w/60s", RateLimit(6000, 60.0, Counts.WEIGHT)),
        (" 2000 / 30m ", RateLimit(2000, 1800.0)),
        ("5/100ms", RateLimit(5, 0.1)),
        ("100000w/1d", RateLimit(100_000, 86_400.0, Counts.WEIGHT)),
    ],
)
def test_a_limit_is_read_as_people_write_it(text: str, limit: RateLimit) -> None:
    assert RateLimit.parse(text) == limit


@pytest.mark.parametrize("text", ["", "15", "15/", "15/1", "fifteen/1s", "15/1s/2s", "-1/1s", "1.5/1s", "15x/1s"])
def test_what_is_no_limit_is_refused_with_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="write it like"):
        RateLimit.parse(text)


@pytest.mark.parametrize("text", ["0/1s", "15/0s"])
def test_a_limit_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        RateLimit.parse(text)


@given(
    st.integers(1, 10**9), st.sampled_from(["", "w"]), st.integers(1, 5000), st.sampled_from(["ms", "s", "m", "h", "d"])
)
def test_a_limit_reads_back_what_it_writes(amount: int, mark: str, count: int, unit: str) -> None:
    limit = RateLimit.parse(f"{amount}{mark}/{count}{unit}")
    assert RateLimit.parse(str(limit)) == limit


def test_a_request_costs_one_or_its_weight() -> None:
    assert RateLimit.parse("15/1s").cost(20) == 1
    assert RateLimit.parse("6000w/60s").cost(20) == 20


def test_the_stricter_of_two_accounts_keeps_every_window_the_smaller_amount_and_the_longer_flight() -> None:
    ours = account("15/1s", "6000w/60s", timeout=10, abandoned=3)
    theirs = account("20/1s", "500w/60s", "500/60s", timeout=5, abandoned=8)
    both = ours.stricter(theirs)
    assert set(map(str, both.limits)) == {"15/1s", "500w/60s", "500/60s"}
    assert (both.timeout_seconds, both.abandoned_seconds) == (10, 8)
    assert both.stricter(ours) == both.stricter(theirs) == both


def test_the_longest_flight_is_validity_timeout_and_abandoned_seconds() -> None:
    assert account("15/1s", timeout=10, abandoned=7, valid=2).longest_flight_seconds == 19


@pytest.mark.parametrize(
    ("requests", "tokens", "limit", "seconds"),
    [
        (0, 1, "15/1s", 0.0),
        (1, 1, "15/1s", 0.05),
        (15, 1, "15/1s", 0.05),
        (16, 1, "15/1s", 1.10),
        (100, 1, "15/1s", 6 * 1.05 + 0.05),
        (6, 2, "10w/1s", 1.10),
    ],
)
def test_the_ideal_makespan_is_full_windows_and_a_last_call(
    requests: int, tokens: int, limit: str, seconds: float
) -> None:
    assert ideal_makespan_seconds(requests, RateLimit.parse(limit), 0.05, tokens) == pytest.approx(seconds)
