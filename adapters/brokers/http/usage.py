"""The account's usage in the headers of an answer: the broker's own counts, of every program."""

from __future__ import annotations

import re
from collections.abc import Mapping

from adapters.brokers.http.times import http_date
from domain.limits.rates import RateLimit
from domain.limits.usage import BrokerUsage

_COUNT = re.compile(r"^\s*(\d{1,15})\s*$")
_FIRST_UNIX_SECOND = 1_000_000_000
_FIRST_UNIX_MILLISECOND = 100_000_000_000


def remaining_quota(headers: Mapping[str, str], window: RateLimit, now_seconds: float) -> tuple[BrokerUsage, ...]:
    """`X-RateLimit-Limit`, `-Remaining` and `-Reset`, with or without the "X-": the usage of the broker's `window`.

    The headers do not say which window they mean, so the gateway has to know; without a Limit, `window` says what is
    allowed. A Reset is read as seconds, or as a timestamp where it can be nothing else; timestamps are compared with
    the answer's own Date where there is one.
    """
    lowered = {name.lower().removeprefix("x-"): text for name, text in headers.items()}
    remaining, stated = count_in(lowered.get("ratelimit-remaining")), count_in(lowered.get("ratelimit-limit"))
    if remaining is None:
        return ()
    allowed = window.amount if stated is None else stated
    resets_after_seconds = _reset_seconds(lowered, now_seconds)
    used = max(0, allowed - remaining)
    return (BrokerUsage(window.window_seconds, window.counts, used, stated, resets_after_seconds, window.pool),)


def _reset_seconds(lowered: Mapping[str, str], now_seconds: float) -> float | None:
    reset = count_in(lowered.get("ratelimit-reset"))
    if reset is None or reset < _FIRST_UNIX_SECOND:
        return reset
    moment = reset / 1000 if reset >= _FIRST_UNIX_MILLISECOND else reset
    answered = http_date(lowered.get("date", ""))
    return max(0.0, moment - (answered.timestamp() if answered else now_seconds))


def count_in(text: str | None) -> int | None:
    """The whole number that a header says; None for anything else."""
    match = _COUNT.match(text or "")
    return int(match[1]) if match else None
