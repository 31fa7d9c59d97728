"""GrantTerms: what was in force for an account when a permit was granted."""

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
    """A request travels by the terms of its own grant, whoever comes or leaves meanwhile.

    Whoever holds the permit was promised its validity, gives up after its run's timeout, and may have a network that
    nobody vouches for: all of which the limits in force at the grant allowed for, and later ones need not.
    """

    def __init__(self) -> None:
        self._eras: list[_Era] = []

    def change(self, limits: AccountLimits, now: float) -> None:
        """These are in force from now on."""
        if self._eras:
            self._eras[-1] = replace(self._eras[-1], until=now)
        self._eras = [era for era in self._eras if era.until + era.limits.longest_flight_seconds >= now]
        self._eras.append(_Era(limits, now))

    def of(self, granted_at: float) -> AccountLimits | None:
        """Those of a grant at that moment, the stricter of both at a change; None if it was before them all."""
        in_force = [era.limits for era in self._eras if era.since <= granted_at <= era.until]
        return reduce(AccountLimits.stricter, in_force) if in_force else None
