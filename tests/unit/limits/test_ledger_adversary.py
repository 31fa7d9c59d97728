"""The ledger against an adversary who picks everything the guarantee leaves open, and against a plain ledger."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.limits.rates import RateLimit
from tests.unit.limits.ledger_adversary import Adversary, GossipingAdversary, HonestAdversary, limit_sets


def assert_kept(adversary: Adversary) -> None:
    assert {limit: excess for limit, excess in adversary.verdict().items() if excess > 0} == {}


@settings(max_examples=300, deadline=None)
@given(limit_sets, st.data())
def test_no_closed_window_exceeds_its_limit_and_no_grant_comes_later_than_the_plain_ledger_says(
    limits: tuple[RateLimit, ...], data: st.DataObject
) -> None:
    adversary = Adversary(limits, data)
    adversary.steps()
    assert_kept(adversary)


@settings(max_examples=300, deadline=None)
@given(limit_sets, st.data())
def test_whatever_the_broker_tells_the_limits_are_kept_and_both_ledgers_make_the_same_of_it(
    limits: tuple[RateLimit, ...], data: st.DataObject
) -> None:
    adversary = GossipingAdversary(limits, data)
    adversary.steps(often=("grant", "grant", "grant", "end", "end"))
    assert_kept(adversary)


@settings(max_examples=300, deadline=None)
@given(limit_sets, st.data())
def test_our_own_use_alone_is_never_taken_for_that_of_others(
    limits: tuple[RateLimit, ...], data: st.DataObject
) -> None:
    adversary = HonestAdversary(limits, data)
    adversary.steps(often=("grant", "grant", "grant", "end", "end"))
    assert set(adversary.ledger.others(adversary.now)) == {0}
    assert set(adversary.ledger.proven_others(adversary.now)) == {0}
    assert_kept(adversary)
