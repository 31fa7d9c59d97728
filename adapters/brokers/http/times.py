"""Times in the headers of an answer: the broker's clock, and how long to wait."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

LONGEST_RETRY_SECONDS = 30 * 86_400.0
"""The longest wait that is believed: a longer one is a mistake of the broker, and nobody could end such a cooldown."""

_SECONDS = re.compile(r"^\s*\d+(\.\d+)?\s*$")


def broker_time_ms(headers: Mapping[str, str], call_seconds: float, written_at_ms: int) -> int:
    """The earliest time, by the broker's clock, at which the broker can have processed the request.

    The `Date` header is the time of the answer, cut to a second, so it is never late. But the broker may have read its
    data a whole call earlier, before a bar closed: hence Date minus the call's duration. Without a Date it is
    `written_at_ms`, by our own clock.
    """
    answered = http_date(headers.get("Date", ""))
    if answered is None:
        return written_at_ms
    return math.floor(answered.timestamp() * 1000 - call_seconds * 1000)


def retry_after_seconds(headers: Mapping[str, str], now_seconds: float) -> float | None:
    """The seconds that `Retry-After` asks to wait, given as seconds or as a date; None where it is unusable.

    Source: RFC 9110, section 10.2.3. A date is compared with the answer's own Date where there is one.
    """
    text = headers.get("Retry-After", "")
    if _SECONDS.match(text):
        return min(float(text), LONGEST_RETRY_SECONDS) or None
    until = http_date(text)
    if until is None:
        return None
    answered = http_date(headers.get("Date", ""))
    now = answered.timestamp() if answered else now_seconds
    return min(max(0.0, until.timestamp() - now), LONGEST_RETRY_SECONDS) or None


def http_date(text: str) -> datetime | None:
    """The time in an HTTP header; None for anything else."""
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None
