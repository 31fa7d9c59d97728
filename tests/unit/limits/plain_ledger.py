"""The permit ledger once more, written for clarity: a list of permits, and every sum made from scratch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from domain.limits.ledger import GrantedPermit
from domain.limits.rates import RateLimit
from domain.limits.usage import BrokerUsage


@dataclass(frozen=True)
class Seen:
    """How much of a limit's window others may have used, how much they surely have, and until when that counts."""

    limit: RateLimit
    theirs: int
    proven: int
    until: float


@dataclass(frozen=True)
class Snapshot:
    """What was known when a permit was granted: which others were complete, and which had left which window."""

    completed: frozenset[str]
    left: dict[RateLimit, frozenset[str]]


class PlainLedger:
    """Gives the same answers as `PermitLedger`, however slowly."""

    def __init__(self, limits: Sequence[RateLimit]) -> None:
        self.limits = tuple(limits)
        self.permits: list[GrantedPermit] = []
        self.cooldown_until = float("-inf")
        self.complete_since = float("-inf")
        self.seen: list[Seen] = []
        self.snapshots: dict[str, Snapshot] = {}

    def counted(self, limit: RateLimit, moment: float) -> int:
        return self.ours(limit, moment) + self.others(limit, moment)

    def ours(self, limit: RateLimit, moment: float) -> int:
        return self.cost(limit, [permit for permit in self.permits if self.leaves_at(permit, limit) > moment])

    def others(self, limit: RateLimit, moment: float) -> int:
        return max((one.theirs for one in self.seen if one.limit == limit and one.until > moment), default=0)

    def proven(self, limit: RateLimit, moment: float) -> int:
        return max((one.proven for one in self.seen if one.limit == limit and one.until > moment), default=0)

    def wait_seconds(self, tokens: int, now: float, pool: str = "") -> float:
        moments = [
            now,
            self.cooldown_until,
            self.evidence_from,
            *(self.leaves_at(one, limit) for one in self.permits for limit in self.limits),
            *(one.until for one in self.seen),
        ]
        return next(moment for moment in sorted(moments) if moment >= now and self.fits(tokens, moment, pool)) - now

    @property
    def evidence_from(self) -> float:
        return self.complete_since + max(map(self.length, self.limits))

    def fits(self, tokens: int, moment: float, pool: str) -> bool:
        if moment < max(self.cooldown_until, self.evidence_from):
            return False
        costs = [(limit, limit.cost(tokens, pool)) for limit in self.limits]
        return all(cost == 0 or self.counted(limit, moment) + cost <= limit.amount for limit, cost in costs)

    def grant(self, permit: GrantedPermit) -> None:
        now = permit.granted_at
        completed = frozenset(one.permit_id for one in self.permits if one.has_completed or one.completed_at <= now)
        left = {limit: frozenset(self.gone(limit, now)) for limit in self.limits}
        self.snapshots[permit.permit_id] = Snapshot(completed, left)
        self.permits.append(permit)

    def end(self, permit_id: str, completed_at: float, now: float) -> None:
        for place, permit in enumerate(self.permits):
            if permit.permit_id == permit_id and not permit.has_completed and permit.completed_at > now:
                completed_at = min(max(completed_at, permit.granted_at), permit.completed_at)
                self.permits[place] = replace(permit, completed_at=completed_at, has_completed=True)

    def release(self, permit_id: str, now: float) -> None:
        self.permits = [
            one for one in self.permits if one.permit_id != permit_id or one.has_completed or one.completed_at <= now
        ]

    def see(self, permit_id: str, usage: BrokerUsage, answered_at: float, now: float) -> None:
        snapshot = self.snapshots.get(permit_id)
        for limit in self.limits if snapshot else ():
            if (limit.window_seconds, limit.counts, limit.pool) != (usage.window_seconds, usage.counts, usage.pool):
                continue
            assert snapshot is not None
            not_left = [one for one in self.permits if one.permit_id not in snapshot.left[limit]]
            completed = [one for one in self.permits if one.permit_id in snapshot.completed]
            gone = [one for one in self.permits if one.permit_id in set(self.gone(limit, now))]
            theirs, proven = 0, max(0, usage.used - self.cost(limit, not_left))
            if proven:
                theirs = usage.used - max(0, self.cost(limit, completed) - self.cost(limit, gone))
            if usage.allowed is not None:
                theirs += limit.amount - usage.allowed
            until = answered_at + max(self.length(limit), usage.resets_after_seconds or 0)
            still = [one for one in self.seen if one.limit == limit and one.until > now]
            if theirs > 0:
                still_counted = [one.until for one in still if one.theirs > 0]
                self.seen.append(Seen(limit, theirs, 0, max([until, *still_counted])))
            if proven:
                still_proven = [one.until for one in still if one.proven]
                self.seen.append(Seen(limit, 0, proven, max([until, *still_proven])))

    def change(self, limits: Sequence[RateLimit]) -> None:
        """Other amounts or windows: others' use of those that stay counts on, what was known at grants does not."""
        now_in_force = {limit.window: limit for limit in limits}
        self.seen = [
            replace(one, limit=now_in_force[one.limit.window]) for one in self.seen if one.limit.window in now_in_force
        ]
        self.limits = tuple(limits)
        self.snapshots.clear()

    def gone(self, limit: RateLimit, moment: float) -> Iterable[str]:
        return (one.permit_id for one in self.permits if self.leaves_at(one, limit) <= moment)

    @staticmethod
    def cost(limit: RateLimit, permits: Iterable[GrantedPermit]) -> int:
        return sum(limit.cost(permit.tokens, permit.pool) for permit in permits)

    @staticmethod
    def length(limit: RateLimit) -> float:
        return limit.window_seconds * 1.001 + 0.001

    @classmethod
    def leaves_at(cls, permit: GrantedPermit, limit: RateLimit) -> float:
        return permit.completed_at + cls.length(limit)
