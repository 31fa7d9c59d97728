"""What Ray's metrics show of a limiter and of a job, as `ray_candles_*`."""

from __future__ import annotations

from ray.util.metrics import Counter, Gauge


class RayLimiterMetrics:
    """Implements `actors.rate_limiter.LimiterMetrics`."""

    def __init__(self, broker: str, account: str) -> None:
        self._tags = {"broker": broker, "account": account}
        keys = tuple(self._tags)
        self._tokens = Counter("candles_tokens_granted", "Tokens granted by the rate limiter", keys)
        self._waited = Counter("candles_token_wait_seconds", "Seconds waited for tokens, added up", keys)
        self._queue = Gauge("candles_token_queue_length", "Requests waiting for a token", keys)
        self._cooldown = Gauge("candles_cooldown_seconds", "Seconds left of the broker's cooldown", keys)
        lost = "Seconds left of the wait for permits that may have been forgotten"
        self._evidence_wait = Gauge("candles_evidence_wait_seconds", lost, keys)
        self._cooldowns = Counter("candles_cooldowns", "Times the broker refused the account", keys)
        of_window = (*keys, "limit")
        self._counted = Gauge("candles_tokens_counted", "Tokens that a window counts", of_window)
        self._others = Gauge("candles_tokens_of_others", "Tokens in a window that other programs used", of_window)

    def granted(self, tokens: int, waited_seconds: float) -> None:
        """A permit was handed out."""
        self._tokens.inc(tokens, self._tags)
        if waited_seconds > 0:
            self._waited.inc(waited_seconds, self._tags)

    def state(self, waiting: int, cooldown_seconds: float, evidence_wait_seconds: float) -> None:
        """Show how many requests wait, and how long the two waits last."""
        self._queue.set(waiting, self._tags)
        self._cooldown.set(cooldown_seconds, self._tags)
        self._evidence_wait.set(evidence_wait_seconds, self._tags)

    def cooled_down(self) -> None:
        """The broker refused the account."""
        self._cooldowns.inc(1, self._tags)

    def window(self, limit: str, counted: int, others: int) -> None:
        """What a window counts."""
        self._counted.set(counted, {**self._tags, "limit": limit})
        self._others.set(others, {**self._tags, "limit": limit})


class RayJobMetrics:
    """Implements `actors.job_coordinator.JobMetrics`."""

    def __init__(self, job_id: str) -> None:
        self._tags = {"job": job_id}
        self._requests = Counter("candles_requests", "Requests sent to the broker", ("job",))
        self._candles = Counter("candles_saved", "Candles saved", ("job",))
        self._failures = Counter("candles_failures", "Symbols given up", ("job",))

    def collected(self, requests: int, candles: int, failures: int) -> None:
        """Show what a worker emitted."""
        for counter, amount in ((self._requests, requests), (self._candles, candles), (self._failures, failures)):
            if amount > 0:
                counter.inc(amount, self._tags)
