"""GrantTerms: the limits that were in force for an account when a permit was granted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce

from domain.limits.rates import AccountLimits


@dataclass(frozen=True, slots=True)
class _Era:
    limits: AccountLimits
    since: float
    until: float = float("inf")


class GrantTerms:
    """Each permit keeps the terms of its own grant, whichever runs attach or leave meanwhile.

    The holder of a permit was promised its validity, gives up after its run's timeout, and may be on a network without
    `uplink_seconds`. The limits in force at the grant allow for all of that; later limits may not.
    """

    def __init__(self) -> None:
        self._eras: list[_Era] = []

    def change(self, limits: AccountLimits, now: float) -> None:
        """Note the limits that are in force from now on."""
        if self._eras:
            self._eras[-1] = replace(self._eras[-1], until=now)
        self._eras = [era for era in self._eras if era.until + era.limits.longest_flight_seconds >= now]
        self._eras.append(_Era(limits, now))

    def of(self, granted_at: float) -> AccountLimits | None:
        """The limits of a grant at that time, at a change the stricter of both; None for a time before all of them."""
        in_force = [era.limits for era in self._eras if era.since <= granted_at <= era.until]
        return reduce(AccountLimits.stricter, in_force) if in_force else None
