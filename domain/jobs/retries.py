"""RetryPolicy: whether a failed request is worth another try, and after how long."""

from __future__ import annotations

from dataclasses import dataclass

from domain.errors import BrokerThrottled, MalformedResponse, TransientBrokerError

_MOST_DOUBLINGS = 62


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """At most `attempts` tries, with exponential backoff and full jitter between them.

    Full jitter spreads the retries of many clients best: each waits a random share of the backoff.
    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    attempts: int = 5
    base_seconds: float = 0.5
    max_seconds: float = 30.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"a retry policy needs at least one attempt, not {self.attempts}")
        if not 0 <= self.base_seconds <= self.max_seconds:
            raise ValueError(f"backoff must grow from {self.base_seconds} s to no less, not to {self.max_seconds} s")

    def should_retry(self, error: BaseException, attempt: int) -> bool:
        """Whether to try again after attempt number `attempt` (the first is 1) ended in that error.

        A throttled request is always tried again: the account was in cooldown, and the symbol is not to blame.
        """
        if isinstance(error, BrokerThrottled):
            return True
        return isinstance(error, TransientBrokerError | MalformedResponse) and attempt < self.attempts

    def counts_as_attempt(self, error: BaseException) -> bool:
        """Whether the error uses up one of the symbol's attempts."""
        return not isinstance(error, BrokerThrottled)

    def delay_seconds(self, attempt: int, error: BaseException, random01: float) -> float:
        """How long to wait after attempt number `attempt`; `random01` is drawn evenly from [0, 1).

        Never less than the `retry_after_seconds` of a BrokerThrottled, plus a little jitter, so that clients that were
        refused together do not come back together.
        """
        doublings = min(max(attempt - 1, 0), _MOST_DOUBLINGS)
        backoff_seconds = random01 * min(self.max_seconds, self.base_seconds * 2.0**doublings)
        if isinstance(error, BrokerThrottled):
            return error.retry_after_seconds + random01 * self.base_seconds
        return backoff_seconds
