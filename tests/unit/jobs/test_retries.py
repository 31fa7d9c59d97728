"""Which errors are worth another try, and after how long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import (
    BrokerThrottled,
    BrokerUnavailable,
    CredentialsRefused,
    EventStoreUnavailable,
    MalformedResponse,
    SymbolRejected,
)
from domain.jobs.retries import RetryPolicy

UNAVAILABLE = BrokerUnavailable("b", "S", "503")
MALFORMED = MalformedResponse("b", "S", "no JSON")
THROTTLED = BrokerThrottled("b", "S", "429", 7.0)
randoms = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize("error", [UNAVAILABLE, MALFORMED])
def test_trouble_is_retried_until_the_attempts_are_used_up(error: Exception) -> None:
    policy = RetryPolicy(attempts=3)
    assert [policy.should_retry(error, attempt) for attempt in (1, 2, 3)] == [True, True, False]
    assert policy.counts_as_attempt(error)


@pytest.mark.parametrize(
    "error",
    [SymbolRejected("b", "S", "-1121"), CredentialsRefused("b", "S", "403"), EventStoreUnavailable("x", "locked")],
)
def test_what_asking_again_cannot_change_is_not_retried(error: Exception) -> None:
    assert not RetryPolicy().should_retry(error, 1)


def test_being_throttled_is_nobodys_failure() -> None:
    policy = RetryPolicy(attempts=2)
    assert policy.should_retry(THROTTLED, 1_000)
    assert not policy.counts_as_attempt(THROTTLED)


@given(randoms, st.integers(1, 10_000))
def test_a_throttled_request_never_comes_back_before_it_was_told(random01: float, attempt: int) -> None:
    delay = RetryPolicy(base_seconds=0.5).delay_seconds(attempt, THROTTLED, random01)
    assert 7.0 <= delay <= 7.5


@given(randoms, st.integers(1, 10_000))
def test_backoff_is_a_share_of_a_doubling_ceiling(random01: float, attempt: int) -> None:
    policy = RetryPolicy(base_seconds=0.5, max_seconds=30.0)
    ceiling_seconds = 30.0 if attempt > 6 else 0.5 * 2 ** (attempt - 1)
    assert policy.delay_seconds(attempt, UNAVAILABLE, random01) == random01 * ceiling_seconds


@pytest.mark.parametrize(
    "arguments", [{"attempts": 0}, {"base_seconds": -1.0}, {"base_seconds": 5.0, "max_seconds": 1.0}]
)
def test_a_senseless_policy_is_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"attempt|backoff"):
        RetryPolicy(**arguments)  # type: ignore[arg-type]
