"""What the headers of Binance's answers say of the weight it has counted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from adapters.brokers.http.usage import count_in
from domain.limits.rates import Counts, RateLimit
from domain.limits.usage import BrokerUsage

_USED_WEIGHT = re.compile(r"^x-mbx-used-weight-(\d{1,4})([smhd])$", re.IGNORECASE)
_LETTER_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def used_weights(headers: Mapping[str, str], documented: Sequence[RateLimit] = ()) -> tuple[BrokerUsage, ...]:
    """Every `X-MBX-USED-WEIGHT-(number)(letter)`: what was used in that window so far.

    `documented` are the broker's own limits, where they are known to hold. Source: Binance Spot API,
    "Limits", "General Info on Limits".
    """
    allowed = {limit.window: limit.amount for limit in documented}
    usages = []
    for name, text in headers.items():
        window, used = _USED_WEIGHT.match(name), count_in(text)
        if window is not None and used is not None and int(window[1]):
            seconds = int(window[1]) * _LETTER_SECONDS[window[2].lower()]
            usages.append(BrokerUsage(seconds, Counts.WEIGHT, used, allowed.get((seconds, Counts.WEIGHT, ""))))
    return tuple(usages)
