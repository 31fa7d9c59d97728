"""An adversary of the permit ledger, which plays limiter, clients, network and broker; and a judge of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import strategies as st

from domain.limits.ledger import GrantedPermit, PermitLedger
from domain.limits.rates import Counts, RateLimit
from domain.limits.usage import BrokerUsage
from tests.unit.limits.plain_ledger import PlainLedger

POOLS = ("", "orders", "historical")

limit_sets = st.lists(
    st.builds(
        RateLimit,
        st.integers(1, 12),
        st.sampled_from([0.1, 0.5, 1.0, 4.0]),
        st.sampled_from(Counts),
        st.sampled_from(POOLS),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda limit: limit.window,
).map(tuple)


@dataclass(frozen=True)
class Arrival:
    """A request as the broker saw it; `order` is that of its grant."""

    at: float
    tokens: int
    pool: str
    order: int


@dataclass
class Adversary:
    """Chooses windows, weights, pools, crashes, and when each request really arrived between grant and end.

    `arrivals` keeps what arrived, None for a request that never did. `eras` are the limits that were in force, each
    with the number of the first grant under them; `windows` are all that ever were.
    """

    limits: tuple[RateLimit, ...]
    data: st.DataObject
    now: float = 1000.0
    arrivals: dict[str, Arrival | None] = field(default_factory=dict)
    granted: dict[str, GrantedPermit] = field(default_factory=dict)
    eras: list[tuple[int, tuple[RateLimit, ...]]] = field(default_factory=list)
    windows: list[RateLimit] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger, self.plain = PermitLedger(self.limits), PlainLedger(self.limits)
        self.eras, self.windows = [(0, self.limits)], list(self.limits)

    def steps(self, often: Sequence[str] = ("grant",) * 4) -> None:
        waits = ["cool_down", "end_cooldown", "restart", "lose_record"]
        actions = [*often, "end", "release", "rest", *waits, "tighten", "relax", "turn_clock_back"]
        for _ in range(self.data.draw(st.integers(5, 40))):
            getattr(self, self.data.draw(st.sampled_from(actions)))()
            self.compare()

    def compare(self) -> None:
        """What the fast ledger counts is what the plain one does."""
        assert self.ledger.counted(self.now) == tuple(self.plain.counted(one, self.now) for one in self.limits)
        assert self.ledger.others(self.now) == tuple(self.plain.others(one, self.now) for one in self.limits)
        assert self.ledger.proven_others(self.now) == tuple(self.plain.proven(one, self.now) for one in self.limits)

    def grant(self) -> None:
        pool = self.data.draw(st.sampled_from(POOLS))
        tokens = self.data.draw(st.integers(1, min([9, *(limit.amount for limit in self.limits)])))
        wait_seconds = self.ledger.wait_seconds(tokens, self.now, pool)
        assert wait_seconds == pytest.approx(self.plain.wait_seconds(tokens, self.now, pool), abs=1e-9)
        if wait_seconds > 0:
            with pytest.raises(ValueError, match="may not be granted yet"):
                self.ledger.grant("early", tokens, self.now, self.now, pool)
            self.now += wait_seconds
        while self.ledger.wait_seconds(tokens, self.now, pool) > 0:  # the sum of two floats may fall short by a hair
            self.now += 1e-9
        bound = self.now + self.data.draw(st.floats(0, 3))
        order = len(self.granted)
        permit = self.ledger.grant(f"permit {order}", tokens, self.now, bound, pool)
        self.plain.grant(permit)
        self.granted[permit.permit_id] = permit
        # Unless we hear otherwise it arrives as late as it can: that is what the bound allows.
        self.arrivals[permit.permit_id] = Arrival(self.within(permit.granted_at, bound), tokens, pool, order)

    def end(self) -> None:
        permit = self.lent_one()
        if permit is None:
            return
        earliest = permit.granted_at if self.data.draw(st.booleans()) else self.now  # answered, or still to arrive
        completed_at = self.within(earliest, permit.completed_at)
        order = int(permit.permit_id.removeprefix("permit "))
        arrives_at = self.within(permit.granted_at, completed_at)
        self.arrivals[permit.permit_id] = Arrival(arrives_at, permit.tokens, permit.pool, order)
        self.told(permit, arrives_at, completed_at)
        self.ledger.complete(permit.permit_id, completed_at, self.now)
        self.plain.end(permit.permit_id, completed_at, self.now)

    def told(self, permit: GrantedPermit, arrives_at: float, completed_at: float) -> None:
        """What the broker's answer says of its counts: here, nothing."""

    def release(self) -> None:
        permit = self.lent_one()
        if permit is not None:
            self.arrivals[permit.permit_id] = None
            self.ledger.release(permit.permit_id, self.now)
            self.plain.release(permit.permit_id, self.now)

    def rest(self) -> None:
        self.now += self.data.draw(st.floats(0, 2))

    def turn_clock_back(self) -> None:
        """A caller that reads an earlier time than another did changes nothing."""
        self.ledger.counted(self.now - self.data.draw(st.floats(0, 100)))

    def cool_down(self) -> None:
        until = self.now + self.data.draw(st.floats(-1, 1))
        self.ledger.cool_down(until)
        self.plain.cooldown_until = max(self.plain.cooldown_until, until)

    def end_cooldown(self) -> None:
        """An operator knows better than the broker."""
        self.ledger.end_cooldown()
        self.plain.cooldown_until = float("-inf")

    def restart(self) -> None:
        """The limiter dies, and its successor has the record."""
        self.ledger = self.rebuilt()
        self.plain.seen.clear()
        self.plain.snapshots.clear()

    def lose_record(self) -> None:
        """The limiter dies, and of its record only the newest entries can be read: what is lost can arrive yet."""
        kept = self.data.draw(st.integers(0, len(self.plain.permits)))
        lost = self.plain.permits[: len(self.plain.permits) - kept]
        self.plain.permits = self.plain.permits[len(lost) :]
        self.plain.complete_since = max([self.plain.complete_since, *(permit.completed_at for permit in lost)])
        self.restart()

    def tighten(self) -> None:
        """Another run brings a smaller limit for one of the windows, or a window that an earlier one brought."""
        limit = self.data.draw(st.sampled_from(self.windows))
        amounts = {one.window: one.amount for one in self.limits}
        self.change({**amounts, limit.window: max(1, amounts.get(limit.window, limit.amount) - 2)})

    def relax(self) -> None:
        """A run leaves, and takes a window with it, or a smaller limit for one that others have too."""
        limit = self.data.draw(st.sampled_from(self.limits))
        amounts = {one.window: one.amount for one in self.limits}
        if len(amounts) > 1 and self.data.draw(st.booleans()):
            del amounts[limit.window]
        else:
            amounts[limit.window] += self.data.draw(st.integers(1, 5))
        self.change(amounts)

    def change(self, amounts: Mapping[tuple[float, Counts, str], int]) -> None:
        self.limits = tuple(RateLimit(amount, *window) for window, amount in amounts.items())
        predecessor, self.ledger = self.ledger, self.rebuilt()
        self.ledger.inherit_others(predecessor)
        self.plain.change(self.limits)
        self.eras.append((len(self.granted), self.limits))

    def rebuilt(self) -> PermitLedger:
        """A ledger that knows what its predecessor's record still tells."""
        ledger = PermitLedger(self.limits)
        ledger.restore(self.plain.permits, self.plain.cooldown_until, self.plain.complete_since)
        return ledger

    def lent_one(self) -> GrantedPermit | None:
        granted = [
            permit
            for permit in self.granted.values()
            if self.ledger.outstanding(permit.permit_id) and permit.completed_at > self.now
        ]
        return self.data.draw(st.sampled_from(granted)) if granted else None

    def within(self, earliest: float, latest: float) -> float:
        share = self.data.draw(st.sampled_from([0.0, 0.25, 0.5, 1.0]))
        return min(earliest + share * (latest - earliest), latest)

    def verdict(self) -> dict[str, int]:
        """By how much the fullest window of each limit was exceeded: 0 or less, if the ledger is right."""
        arrivals = [arrival for arrival in self.arrivals.values() if arrival is not None]
        ends = [*(since for since, _ in self.eras[1:]), len(self.granted)]
        return {
            f"{limit} in force for grants {since} to {until}": worst_excess(limit, arrivals, range(since, until))
            for (since, limits), until in zip(self.eras, ends, strict=True)
            for limit in limits
        }


def worst_excess(limit: RateLimit, arrivals: Sequence[Arrival], in_force: range) -> int:
    """By how much the fullest closed window exceeds the limit; only those that begin at an arrival matter.

    It binds the windows of whose requests the last was granted while the limit was `in_force`.
    """
    counted = [one for one in arrivals if is_counted(limit, one)]
    windows = ([one for one in counted if start.at <= one.at <= start.at + limit.window_seconds] for start in counted)
    bound = (window for window in windows if max(one.order for one in window) in in_force)
    return max((sum(cost(limit, one) for one in window) for window in bound), default=0) - limit.amount


def is_counted(limit: RateLimit, arrival: Arrival) -> bool:
    return limit.pool in ("", arrival.pool)


def cost(limit: RateLimit, arrival: Arrival) -> int:
    if not is_counted(limit, arrival):
        return 0
    return arrival.tokens if limit.counts is Counts.WEIGHT else 1


class GossipingAdversary(Adversary):
    """The broker tells of its counts whatever the adversary likes."""

    def told(self, permit: GrantedPermit, arrives_at: float, completed_at: float) -> None:
        limit = self.data.draw(st.sampled_from(self.limits))
        usage = BrokerUsage(
            limit.window_seconds,
            limit.counts,
            self.data.draw(st.integers(0, 25)),
            self.data.draw(st.none() | st.integers(1, 20)),
            self.data.draw(st.none() | st.floats(0, 9)),
            limit.pool,
        )
        answered_at = min(completed_at, self.now)
        for ledger in (self.ledger, self.plain):
            ledger.see(permit.permit_id, usage, answered_at, self.now)


class HonestAdversary(Adversary):
    """The broker tells the truth, nobody else is on the account, and the answers come when they like."""

    def told(self, permit: GrantedPermit, arrives_at: float, completed_at: float) -> None:
        if completed_at > self.now:
            return  # abandoned: nothing was answered
        looked_at = self.within(arrives_at, completed_at)
        for limit in self.limits:
            begins_at = looked_at - self.data.draw(st.sampled_from([0.3, 1.0])) * limit.window_seconds
            arrived = [one for one in self.arrivals.values() if one and begins_at <= one.at <= looked_at]
            used = sum(cost(limit, one) for one in arrived)
            usage = BrokerUsage(limit.window_seconds, limit.counts, used, pool=limit.pool)
            self.ledger.see(permit.permit_id, usage, completed_at, self.now)
