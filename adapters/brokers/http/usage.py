"""The account's usage in the headers of an answer: the broker's own counts, of every program."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from adapters.brokers.http.times import http_date
from domain.limits.rates import Counts, RateLimit
from domain.limits.usage import BrokerUsage

_USED_WEIGHT = re.compile(r"^x-mbx-used-weight-(\d{1,4})([smhd])$", re.IGNORECASE)
_LETTER_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_COUNT = re.compile(r"^\s*(\d{1,15})\s*$")
_FIRST_UNIX_SECOND = 1_000_000_000
_FIRST_UNIX_MILLISECOND = 100_000_000_000


def used_weights(headers: Mapping[str, str], documented: Sequence[RateLimit] = ()) -> tuple[BrokerUsage, ...]:
    """Every `X-MBX-USED-WEIGHT-(number)(letter)`: what has been used in that window so far.

    `documented` are the broker's own limits, where they are known to apply. Source: Binance Spot API, "Limits",
    "General Info on Limits".
    """
    allowed = {limit.window: limit.amount for limit in documented}
    usages = []
    for name, text in headers.items():
        window, used = _USED_WEIGHT.match(name), _count(text)
        if window is not None and used is not None and int(window[1]):
            seconds = int(window[1]) * _LETTER_SECONDS[window[2].lower()]
            usages.append(BrokerUsage(seconds, Counts.WEIGHT, used, allowed.get((seconds, Counts.WEIGHT, ""))))
    return tuple(usages)


def remaining_quota(headers: Mapping[str, str], window: RateLimit, now_seconds: float) -> tuple[BrokerUsage, ...]:
    """`X-RateLimit-Limit`, `-Remaining` and `-Reset`, with or without the "X-": the usage of the broker's `window`.

    The headers do not say which window they mean, so the gateway has to know; without a Limit, `window` says what is
    allowed. A Reset is read as seconds, or as a timestamp where it can be nothing else; timestamps are compared with
    the answer's own Date where there is one.
    """
    lowered = {name.lower().removeprefix("x-"): text for name, text in headers.items()}
    remaining, stated = _count(lowered.get("ratelimit-remaining")), _count(lowered.get("ratelimit-limit"))
    if remaining is None:
        return ()
    allowed = window.amount if stated is None else stated
    resets_after_seconds = _reset_seconds(lowered, now_seconds)
    used = max(0, allowed - remaining)
    return (BrokerUsage(window.window_seconds, window.counts, used, stated, resets_after_seconds, window.pool),)


def _reset_seconds(lowered: Mapping[str, str], now_seconds: float) -> float | None:
    reset = _count(lowered.get("ratelimit-reset"))
    if reset is None or reset < _FIRST_UNIX_SECOND:
        return reset
    moment = reset / 1000 if reset >= _FIRST_UNIX_MILLISECOND else reset
    answered = http_date(lowered.get("date", ""))
    return max(0.0, moment - (answered.timestamp() if answered else now_seconds))


def _count(text: str | None) -> int | None:
    match = _COUNT.match(text or "")
    return int(match[1]) if match else None
