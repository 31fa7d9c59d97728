"""Permit bundles: how many permits may be taken in one call, and what they are called."""

from __future__ import annotations

from dataclasses import dataclass

from domain.limits.rates import AccountLimits, RateLimit

WINDOW_SHARE = 0.01
"""A bundle is at most this part of every window: while it is gathered its permits idle, half of that on average."""
GATHER_SECONDS = 0.1
"""A bundle is at most what the limits let through in this time, so that nobody waits long behind one."""
MOST_PERMITS = 100


@dataclass(frozen=True, slots=True)
class BundleTerms:
    """What a worker may take and keep under these limits; without any, one permit a call.

    A bundle costs at most half of `WINDOW_SHARE` of the utilisation to gather, and as much to keep. So low limits
    allow none: one permit a call at 15/1s, ten at 1000/1s, ten of weight 1 at 6000w/60s. A permit that lies
    unused with a worker for `spare_seconds` is released.
    """

    limits: tuple[RateLimit, ...] = ()
    spare_seconds: float = 0.0

    @classmethod
    def of(cls, account: AccountLimits) -> BundleTerms:
        """What holds for the account: a spare permit goes back long before its validity ends."""
        spare_seconds = min(
            account.shortest.window_seconds * WINDOW_SHARE, GATHER_SECONDS, account.permit_valid_seconds / 4
        )
        return cls(account.limits, spare_seconds)

    def permits(self, tokens: int, pool: str = "") -> int:
        """How many permits for requests of that weight one call may take at most."""
        costs = [(limit, cost) for limit in self.limits if (cost := limit.cost(tokens, pool))]
        most = [min(limit.amount * WINDOW_SHARE, _in_pace(limit)) / cost for limit, cost in costs]
        return max(1, min(int(min(most)), MOST_PERMITS)) if most else 1


def permit_ids(ticket: str, permits: int) -> list[str]:
    """The ids of the permits granted to a ticket: one has the ticket itself, several are numbered."""
    return [ticket] if permits == 1 else [f"{ticket}.{number}" for number in range(permits)]


def _in_pace(limit: RateLimit) -> float:
    return limit.amount / limit.window_seconds * GATHER_SECONDS
