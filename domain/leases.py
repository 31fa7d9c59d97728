"""How many permits may be taken in one call, and what they are called."""

from __future__ import annotations

from domain.rates import AccountLimits

WINDOW_SHARE = 0.01
"""A lease is at most this part of every window: until it is complete its permits idle, on the mean for half as long."""
PACE_SECONDS = 0.1
"""A lease is at most what the limits let through in this time, so that nobody waits long behind one."""
MOST_PERMITS = 100


def lease_permits(limits: AccountLimits, tokens: int = 1) -> int:
    """How many permits for requests of that weight one call may take at most; 1 where the limits are low.

    Gathering a lease costs up to half of `WINDOW_SHARE` of the utilisation; at 15/1s it is one permit a
    call, at 1000/1s ten, at 6000w/60s ten of weight 1.
    """
    costs = ((limit, limit.cost(tokens)) for limit in limits.limits)
    most = min(
        min(limit.amount * WINDOW_SHARE, limit.amount / limit.window_seconds * PACE_SECONDS) / cost
        for limit, cost in costs
    )
    return max(1, min(int(most), MOST_PERMITS))


def spare_seconds(limits: AccountLimits) -> float:
    """How long a permit may lie unused with a worker before it goes back: short against its validity."""
    return min(limits.shortest.window_seconds * WINDOW_SHARE, PACE_SECONDS, limits.permit_valid_seconds / 4)


def permit_ids(ticket: str, permits: int) -> list[str]:
    """The ids of the permits granted to a ticket: one has the ticket itself, several are numbered."""
    return [ticket] if permits == 1 else [f"{ticket}.{number}" for number in range(permits)]
