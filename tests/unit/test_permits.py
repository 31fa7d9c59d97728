from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import PermitImpossible
from domain.permits import LentPermit, PermitLedger
from domain.rates import Counts, RateLimit

FIFTEEN = RateLimit(15, 1.0)


class PlainLedger:
    """The same rules written for clarity: a list of permits, and every sum made anew."""

    def __init__(self, limits: Sequence[RateLimit]) -> None:
        self.limits = limits
        self.permits: list[LentPermit] = []
        self.sealed_until = float("-inf")

    def counted(self, limit: RateLimit, moment: float) -> int:
        return sum(limit.cost(permit.tokens) for permit in self.permits if self.leaves_at(permit, limit) > moment)

    def wait_seconds(self, tokens: int, now: float) -> float:
        moments = [
            now,
            self.sealed_until,
            *(self.leaves_at(one, limit) for one in self.permits for limit in self.limits),
        ]
        return next(moment for moment in sorted(moments) if moment >= now and self.fits(tokens, moment)) - now

    def fits(self, tokens: int, moment: float) -> bool:
        return moment >= self.sealed_until and all(
            self.counted(limit, moment) + limit.cost(tokens) <= limit.amount for limit in self.limits
        )

    def end(self, permit_id: str, over_at: float, now: float) -> None:
        for place, permit in enumerate(self.permits):
            if permit.permit_id == permit_id and not permit.is_over and permit.over_at > now:
                over_at = min(max(over_at, permit.granted_at), permit.over_at)
                self.permits[place] = replace(permit, over_at=over_at, is_over=True)

    def void(self, permit_id: str, now: float) -> None:
        self.permits = [one for one in self.permits if one.permit_id != permit_id or one.is_over or one.over_at <= now]

    @staticmethod
    def leaves_at(permit: LentPermit, limit: RateLimit) -> float:
        return permit.over_at + limit.window_seconds * 1.001 + 0.001


@dataclass
class Adversary:
    """Plays limiter, clients and network in one; keeps when each request really arrived, None: never."""

    limits: tuple[RateLimit, ...]
    data: st.DataObject
    now: float = 1000.0
    arrivals: dict[str, tuple[float, int] | None] = field(default_factory=dict)
    granted: dict[str, LentPermit] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ledger, self.plain = PermitLedger(self.limits), PlainLedger(self.limits)

    def step(self) -> None:
        action = self.data.draw(
            st.sampled_from([self.lend] * 4 + [self.end, self.void, self.rest, self.seal, self.restart])
        )
        action()

    def lend(self) -> None:
        tokens = self.data.draw(st.integers(1, min([9, *(limit.amount for limit in self.limits)])))
        wait_seconds = self.ledger.wait_seconds(tokens, self.now)
        assert wait_seconds == pytest.approx(self.plain.wait_seconds(tokens, self.now), abs=1e-9)
        if wait_seconds > 0:
            with pytest.raises(ValueError, match="may not be granted yet"):
                self.ledger.lend("early", tokens, self.now, self.now)
            self.now += wait_seconds
        while self.ledger.wait_seconds(tokens, self.now) > 0:  # the sum of two floats may fall short by a hair
            self.now += 1e-9
        bound = self.now + self.data.draw(st.floats(0, 3))
        permit = self.ledger.lend(f"permit {len(self.granted)}", tokens, self.now, bound)
        self.plain.permits.append(permit)
        self.granted[permit.permit_id] = permit
        # Unless we hear otherwise it arrives as late as it can: that is what the bound allows.
        self.arrivals[permit.permit_id] = (self.within(permit.granted_at, bound), tokens)

    def end(self) -> None:
        permit = self.lent_one()
        if permit is None:
            return
        earliest = permit.granted_at if self.data.draw(st.booleans()) else self.now  # answered, or still to arrive
        over_at = self.within(earliest, permit.over_at)
        self.arrivals[permit.permit_id] = (self.within(permit.granted_at, over_at), permit.tokens)
        self.ledger.settle(permit.permit_id, over_at, self.now)
        self.plain.end(permit.permit_id, over_at, self.now)

    def void(self) -> None:
        permit = self.lent_one()
        if permit is not None:
            self.arrivals[permit.permit_id] = None
            self.ledger.void(permit.permit_id, self.now)
            self.plain.void(permit.permit_id, self.now)

    def rest(self) -> None:
        self.now += self.data.draw(st.floats(0, 2))

    def seal(self) -> None:
        until = self.now + self.data.draw(st.floats(-1, 1))
        self.ledger.seal(until)
        self.plain.sealed_until = max(self.plain.sealed_until, until)

    def restart(self) -> None:
        self.ledger = PermitLedger(self.limits)
        self.ledger.restore(self.plain.permits, self.plain.sealed_until)

    def lent_one(self) -> LentPermit | None:
        lent = [
            permit
            for permit in self.granted.values()
            if self.ledger.lent(permit.permit_id) and permit.over_at > self.now
        ]
        return self.data.draw(st.sampled_from(lent)) if lent else None

    def within(self, earliest: float, latest: float) -> float:
        share = self.data.draw(st.sampled_from([0.0, 0.25, 0.5, 1.0]))
        return min(earliest + share * (latest - earliest), latest)


def worst_excess(limit: RateLimit, arrivals: Sequence[tuple[float, int]]) -> int:
    """By how much the fullest closed window exceeds the limit; only those that begin at an arrival matter."""
    windows = (
        sum(limit.cost(tokens) for at, tokens in arrivals if start <= at <= start + limit.window_seconds)
        for start, _ in arrivals
    )
    return max(windows, default=0) - limit.amount


limit_sets = st.lists(
    st.builds(RateLimit, st.integers(1, 12), st.sampled_from([0.1, 0.5, 1.0, 4.0]), st.sampled_from(Counts)),
    min_size=1,
    max_size=3,
).map(tuple)


@settings(max_examples=250, deadline=None)
@given(limit_sets, st.data())
def test_no_closed_window_exceeds_its_limit_and_no_grant_comes_later_than_the_plain_ledger_says(
    limits: tuple[RateLimit, ...], data: st.DataObject
) -> None:
    adversary = Adversary(limits, data)
    for _ in range(data.draw(st.integers(5, 40))):
        adversary.step()
    arrivals = [arrival for arrival in adversary.arrivals.values() if arrival is not None]
    for place, limit in enumerate(limits):
        assert worst_excess(limit, arrivals) <= 0, str(limit)
        assert adversary.ledger.counted(adversary.now)[place] == adversary.plain.counted(limit, adversary.now)


def full_ledger(permits: int = 15, bound: float = 20.0) -> PermitLedger:
    ledger = PermitLedger([FIFTEEN])
    for number in range(permits):
        ledger.lend(str(number), 1, 0.0, bound)
    return ledger


def test_a_permit_counts_until_one_widened_window_after_its_end() -> None:
    ledger = full_ledger()
    assert ledger.settle("3", 0.25, 0.4) == LentPermit("3", 1, 0.0, 0.25, is_over=True)
    assert ledger.wait_seconds(1, 0.4) == pytest.approx(0.25 + 1.002 - 0.4)
    assert ledger.wait_seconds(1, 1.2519) > 0
    assert ledger.wait_seconds(1, 1.2521) == 0


def test_a_request_that_arrives_on_both_edges_of_a_window_would_break_an_unwidened_ledger() -> None:
    ledger = full_ledger()
    for number in range(15):
        ledger.settle(str(number), 0.0, 0.0)
    assert ledger.wait_seconds(1, 1.0) > 0


def test_a_permit_of_which_nothing_is_heard_lapses_at_its_bound() -> None:
    ledger = full_ledger(bound=20.0)
    assert ledger.wait_seconds(1, 5.0) == pytest.approx(20.0 + 1.002 - 5.0)
    assert ledger.settle("0", 19.0, 20.5) is None, "too late to shorten it"
    assert ledger.wait_seconds(1, 21.0) > 0
    assert ledger.wait_seconds(1, 21.003) == 0
    assert ledger.counted(21.003) == (0,)


def test_an_end_outside_its_grant_and_its_bound_is_taken_as_the_nearer_of_the_two() -> None:
    ledger = full_ledger(bound=20.0)
    early, late = ledger.settle("0", -5.0, 1.0), ledger.settle("1", 99.0, 1.0)
    assert early is not None
    assert late is not None
    assert (early.over_at, late.over_at) == (0.0, 20.0)


def test_a_permit_settled_twice_ends_once() -> None:
    ledger = full_ledger()
    assert ledger.settle("0", 0.1, 0.2) is not None
    assert ledger.settle("0", 0.2, 0.2) is None
    assert ledger.void("0", 0.2) is None
    assert ledger.counted(0.2) == (15,)


def test_a_permit_never_used_counts_no_more() -> None:
    ledger = full_ledger()
    assert ledger.void("7", 0.1) is not None
    assert ledger.wait_seconds(1, 0.1) == 0
    assert ledger.counted(0.1) == (14,)


def test_a_permit_lent_again_after_it_was_void_keeps_its_own_bound() -> None:
    ledger = PermitLedger([FIFTEEN])
    ledger.lend("before it", 1, 0.0, 4.0)
    ledger.lend("a", 1, 0.0, 5.0)
    ledger.void("a", 1.0)
    ledger.lend("a", 1, 2.0, 9.0)
    assert ledger.counted(8.0) == (1,)
    assert ledger.settle("a", 8.0, 8.0) is not None


def test_the_same_permit_is_not_lent_twice() -> None:
    ledger = full_ledger(permits=1)
    with pytest.raises(ValueError, match="lent already"):
        ledger.lend("0", 1, 0.0, 20.0)
    assert ledger.counted(0.0) == (1,)


def test_what_fits_no_window_is_refused_at_once_and_so_is_a_permit_for_nothing() -> None:
    ledger = PermitLedger([RateLimit(50, 1.0), RateLimit(100, 60.0, Counts.WEIGHT)])
    ledger.check_possible(100)
    with pytest.raises(PermitImpossible):
        ledger.check_possible(101)
    for tokens in (0, -3):
        with pytest.raises(ValueError, match="one token at least"):
            ledger.check_possible(tokens)


def test_all_windows_or_none() -> None:
    ledger = PermitLedger([RateLimit(2, 1.0), RateLimit(10, 60.0, Counts.WEIGHT)])
    ledger.lend("heavy", 9, 0.0, 1.0)
    assert ledger.wait_seconds(2, 0.0) == pytest.approx(1.0 + 60.061)
    assert ledger.counted(0.0) == (1, 9)
    ledger.lend("light", 1, 0.0, 1.0)
    assert ledger.wait_seconds(1, 0.0) == pytest.approx(1.0 + 60.061)


def test_a_seal_holds_to_its_end_and_is_never_shortened() -> None:
    ledger = PermitLedger([FIFTEEN])
    ledger.seal(30.0)
    ledger.seal(20.0)
    assert ledger.wait_seconds(1, 10.0) == 20.0
    assert ledger.wait_seconds(1, 30.0) == 0


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    ledger = full_ledger(permits=1)
    ledger.settle("0", 0.5, 1.0)
    assert ledger.counted(2.0) == (0,)
    assert ledger.lend("1", 1, 1.2, 1.3).granted_at == 2.0


def test_a_successor_counts_more_than_fits_and_waits_until_it_does() -> None:
    ledger = PermitLedger([RateLimit(2, 1.0)])
    ledger.restore([LentPermit(str(n), 1, 0.0, n / 10, is_over=True) for n in range(5)], float("-inf"))
    assert ledger.wait_seconds(1, 0.5) == pytest.approx(0.3 + 1.002 - 0.5)


def test_a_ledger_without_a_limit_is_none() -> None:
    with pytest.raises(ValueError, match="at least one limit"):
        PermitLedger([])
