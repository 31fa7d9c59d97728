"""BrokerUsage: what a broker says it has counted of an account."""

from __future__ import annotations

from dataclasses import dataclass

from domain.limits.rates import Counts, RateLimit


@dataclass(frozen=True, slots=True)
class BrokerUsage:
    """The broker's own count in one of its windows, as an answer told it: every program on the account is in it.

    `allowed` is the broker's limit for that window, None where it does not say. `resets_after_seconds`
    is how long from the answer until the broker promises to have forgotten it, None where it does not say.
    """

    window_seconds: float
    counts: Counts
    used: int
    allowed: int | None = None
    resets_after_seconds: float | None = None
    pool: str = ""

    def is_about(self, limit: RateLimit) -> bool:
        """Whether it speaks of the window that the limit is for."""
        return (self.window_seconds, self.counts, self.pool) == limit.window
