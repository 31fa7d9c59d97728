"""What the headers of an answer say about time: the broker's clock, and how long to stay away."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

LONGEST_RETRY_SECONDS = 30 * 86_400.0
"""A broker that asks for more has made a slip: nobody could lift such a cooldown."""

_SECONDS = re.compile(r"^\s*\d+(\.\d+)?\s*$")


def broker_time_ms(headers: Mapping[str, str], call_seconds: float, written_at_ms: int) -> int:
    """The earliest moment, by the broker's clock, at which the request can have been looked at.

    The `Date` header is the moment of the answer, cut to a second, so it is never late; but what
    is in the answer may have been read up to a whole call earlier, before a bar closed. Hence Date less
    the call's duration. Without a Date, `written_at_ms` by our own clock.
    """
    answered = http_date(headers.get("Date", ""))
    if answered is None:
        return written_at_ms
    return math.floor(answered.timestamp() * 1000 - call_seconds * 1000)


def retry_after_seconds(headers: Mapping[str, str], now_seconds: float) -> float | None:
    """How long `Retry-After` asks to wait, as seconds or as a date; None where it says nothing useful.

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
    """The moment an HTTP header names; None for anything else."""
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None
