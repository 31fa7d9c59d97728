"""RateLimit: how much a broker takes in a window of time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from domain.errors import PermitImpossible

_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PATTERN = re.compile(r"^\s*(\d+)(w?)\s*/\s*(\d+)?\s*(ms|s|m|h|d)\s*(?:@\s*([A-Za-z][\w.-]*)\s*)?$")

ANY_POOL = "*"
"""The pool of a request whose pool was not recorded: every pool counts it."""


class Counts(StrEnum):
    """What a limit adds up: requests, or the weight that the broker gives each request."""

    REQUESTS = "requests"
    WEIGHT = "weight"


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `amount` in any window of `window_seconds`: "15/1s", or "6000w/60s" by weight.

    A limit that names a pool ("3/1s@historical") counts the requests made in that pool only: some brokers
    limit each kind of endpoint by itself. One without counts them all.
    """

    amount: int
    window_seconds: float
    counts: Counts = Counts.REQUESTS
    pool: str = ""

    def __post_init__(self) -> None:
        if self.amount <= 0 or self.window_seconds <= 0:
            raise ValueError(f"a rate limit must be positive, not {self.amount} in {self.window_seconds} s")

    @classmethod
    def parse(cls, text: str) -> RateLimit:
        """Read "15/1s", "2000/30m", "6000w/60s" or "3/1s@historical"; anything else raises ValueError."""
        match = _PATTERN.match(text)
        if not match:
            raise ValueError(f'{text!r} is not a rate limit: write it like "15/1s", or "6000w/60s" for weight')
        amount, weight, count, unit, pool = match.groups()
        window_seconds = int(count or 1) * _UNIT_SECONDS[unit]
        return cls(int(amount), window_seconds, Counts.WEIGHT if weight else Counts.REQUESTS, pool or "")

    @property
    def window(self) -> tuple[float, Counts, str]:
        """Which window it is, whatever the amount: two limits of one window can only be the same or in conflict."""
        return self.window_seconds, self.counts, self.pool

    def cost(self, tokens: int, pool: str = ANY_POOL) -> int:
        """What one request of that weight, made in that pool, costs here; 0 if it is not counted at all."""
        if self.pool and pool not in (self.pool, ANY_POOL):
            return 0
        return tokens if self.counts is Counts.WEIGHT else 1

    def check_possible(self, tokens: int, pool: str = ANY_POOL) -> None:
        """Raise PermitImpossible for a request that costs more than the window ever holds."""
        if self.cost(tokens, pool) > self.amount:
            raise PermitImpossible(tokens, str(self))

    def __str__(self) -> str:
        """As `parse` reads it; windows of a fraction of a millisecond are rounded."""
        mark = "w" if self.counts is Counts.WEIGHT else ""
        milliseconds = round(self.window_seconds * 1000)
        window = f"{milliseconds}ms" if milliseconds % 1000 else f"{milliseconds // 1000}s"
        return f"{self.amount}{mark}/{window}" + (f"@{self.pool}" if self.pool else "")


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """What holds for one broker account: its limits, and how long a request can be on its way.

    A permit may be used for `permit_valid_seconds`, and its client gives up within `timeout_seconds` of
    sending. Assumed, and the guarantee rests on it: a request arrives within `timeout_seconds + abandoned_seconds` of
    being sent, however soon it was given up, or never.
    `uplink_seconds`, where the user vouches for it: no request is counted by the broker later than this after it
    was sent, answered or not. Nothing measured may stand in for it: see docs/rate-guarantee.md.
    """

    broker: str
    account: str
    limits: tuple[RateLimit, ...]
    timeout_seconds: float
    abandoned_seconds: float
    permit_valid_seconds: float = 2.0
    uplink_seconds: float | None = None

    @property
    def longest_flight_seconds(self) -> float:
        """The longest time from a grant to the arrival of its request."""
        on_its_way_seconds = self.timeout_seconds + self.abandoned_seconds
        if self.uplink_seconds is not None:
            on_its_way_seconds = min(on_its_way_seconds, self.uplink_seconds)
        return self.permit_valid_seconds + on_its_way_seconds

    @property
    def shortest(self) -> RateLimit:
        """The limit with the shortest window."""
        return min(self.limits, key=lambda limit: limit.window_seconds)

    def stricter(self, other: AccountLimits) -> AccountLimits:
        """Both at once: every window of either, the smaller amount and the longer flight.

        An uplink that only one of them vouches for is not vouched for.
        """
        limits: dict[tuple[float, Counts, str], RateLimit] = {}
        for limit in (*self.limits, *other.limits):
            limits[limit.window] = min(limit, limits.get(limit.window, limit), key=lambda one: one.amount)
        uplinks = (self.uplink_seconds, other.uplink_seconds)
        return AccountLimits(
            self.broker,
            self.account,
            tuple(limits.values()),
            max(self.timeout_seconds, other.timeout_seconds),
            max(self.abandoned_seconds, other.abandoned_seconds),
            max(self.permit_valid_seconds, other.permit_valid_seconds),
            None if None in uplinks else max(seconds for seconds in uplinks if seconds is not None),
        )


def ideal_makespan_seconds(requests: int, limit: RateLimit, mean_call_seconds: float, tokens: int = 1) -> float:
    """The least time that `requests` calls take when no network is trusted: see `PermitLedger`.

    A permit's token is free one window after its call is complete, so full windows follow each other every
    `window + mean call`, and the last call still has to be answered.
    """
    if requests <= 0:
        return 0.0
    per_window = limit.amount // limit.cost(tokens, limit.pool)
    cycle_seconds = limit.window_seconds + mean_call_seconds
    return (requests - 1) // per_window * cycle_seconds + mean_call_seconds
