"""Attempts: how often something has been tried, and whether it is worth another try."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_never

from domain.jobs.retries import RetryPolicy


class Attempts:
    """Counts tries under a RetryPolicy; `number` is the current one, from 1. A throttled request does not count."""

    def __init__(self, policy: RetryPolicy, random01: Callable[[], float]) -> None:
        self.number = 1
        self._policy = policy
        self._random01 = random01

    def retrying(self, sleep: Callable[[float], Awaitable[None]]) -> AsyncRetrying:
        """Iterate over this and make each try inside `with attempt:`; the last error is raised unchanged."""
        return AsyncRetrying(
            retry=retry_if_exception(lambda error: self._policy.should_retry(error, self.number)),
            wait=self._delay_seconds,
            stop=stop_never,
            sleep=sleep,
            reraise=True,
        )

    def _delay_seconds(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        assert error is not None, "only a failed try is followed by a wait"
        delay_seconds = self._policy.delay_seconds(self.number, error, self._random01())
        self.number += self._policy.counts_as_attempt(error)
        return delay_seconds
