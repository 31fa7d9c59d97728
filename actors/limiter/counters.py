"""LimiterCounters: what a rate limiter measures of itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from domain.limits.messages import WindowStatus


class LimiterMetrics(Protocol):
    """Where a limiter's figures are shown."""

    def granted(self, tokens: int, waited_seconds: float) -> None:
        """A permit was granted to a caller that had waited that long."""

    def state(self, waiting: int, cooldown_seconds: float, evidence_wait_seconds: float) -> None:
        """How many requests wait now, and how long the cooldown and the wait for lost evidence still last."""

    def cooled_down(self) -> None:
        """The broker refused the account."""

    def window(self, limit: str, counted: int, others: int) -> None:
        """What a window counts now, and how much of that other programs are known to have used."""


class LimiterCounters:
    """Adds up grants and calls, and passes them on to `metrics` if there are any."""

    def __init__(self, metrics: LimiterMetrics | None) -> None:
        self._metrics = metrics
        self._calls_ended = 0
        self._calls_seconds = 0.0
        self._cooldowns = 0
        self._grants = 0
        self.tokens_granted = 0
        self.waited_seconds = 0.0

    @property
    def mean_wait_seconds(self) -> float:
        """The mean time from a call for permits to their grant, whatever they weigh."""
        return self.waited_seconds / self._grants if self._grants else 0.0

    @property
    def mean_call_seconds(self) -> float:
        """The mean time from a grant to its answer, over the requests that were answered."""
        return self._calls_seconds / self._calls_ended if self._calls_ended else 0.0

    def grant(self, tokens: int, waited_seconds: float) -> None:
        """Count the permits that one call was granted."""
        self._grants += 1
        self.tokens_granted += tokens
        self.waited_seconds += waited_seconds
        if self._metrics:
            self._metrics.granted(tokens, waited_seconds)

    def call(self, seconds: float) -> None:
        """Count a call that was answered."""
        self._calls_ended += 1
        self._calls_seconds += seconds

    def show(
        self,
        waiting: int,
        cooldown_seconds: float,
        evidence_wait_seconds: float,
        windows: Sequence[WindowStatus] = (),
    ) -> None:
        """Pass on the present state."""
        if self._metrics:
            self._metrics.state(waiting, cooldown_seconds, evidence_wait_seconds)
            for window in windows:
                self._metrics.window(window.limit, window.counted, window.others)

    def cool_down(self, cooldowns: int) -> None:
        """Pass on that the broker refused the account; `cooldowns` counts all so far, and each is passed on once."""
        if self._metrics and cooldowns > self._cooldowns:
            self._metrics.cooled_down()
        self._cooldowns = cooldowns
