"""A broker's counts of other programs' requests can only slow us down."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.limits.ledger import GrantedPermit, PermitLedger
from domain.limits.rates import Counts, RateLimit
from domain.limits.usage import BrokerUsage

MINUTE = RateLimit.parse("100w/60s")
LENGTH_SECONDS = 60.061
USAGE = BrokerUsage(60.0, Counts.WEIGHT, used=0)


def asked_once(*limits: str, tokens: int = 10) -> PermitLedger:
    """A ledger that has granted one permit, "a", at 0."""
    ledger = PermitLedger([RateLimit.parse(limit) for limit in limits or ("100w/60s",)])
    ledger.grant("a", tokens, 0.0, 30.0)
    return ledger


def told(ledger: PermitLedger, permit_id: str, used: int, now: float, **usage: object) -> None:
    ledger.see(permit_id, replace(USAGE, used=used, **usage), now, now)
    ledger.complete(permit_id, now, now)


def test_what_the_broker_counts_beyond_ours_is_counted_until_it_must_have_left() -> None:
    ledger = asked_once()
    told(ledger, "a", used=70, now=1.0)
    assert (ledger.counted(1.0), ledger.others(1.0)) == ((80,), (70,))
    assert ledger.wait_seconds(20, 1.0) == 0
    assert ledger.wait_seconds(21, 1.0) == pytest.approx(LENGTH_SECONDS)
    assert ledger.others(1.0 + LENGTH_SECONDS - 0.001) == (70,)
    assert ledger.others(1.0 + LENGTH_SECONDS) == (0,)


def test_a_count_that_ours_can_explain_says_nothing() -> None:
    ledger = asked_once()
    ledger.grant("b", 20, 0.5, 30.0)
    told(ledger, "a", used=30, now=1.0)
    assert ledger.others(1.0) == (0,)


def test_what_was_granted_after_the_broker_looked_may_be_in_its_count_and_what_was_released_cannot() -> None:
    ledger = asked_once()
    ledger.grant("void", 20, 0.5, 30.0)
    ledger.release("void", 0.6)
    told(ledger, "a", used=11, now=1.0)
    assert ledger.others(1.0) == (11,), "nothing of ours was surely counted when the broker looked"


def test_what_left_between_a_grant_and_its_answer_may_still_be_in_the_brokers_count() -> None:
    ledger = PermitLedger([RateLimit.parse("100w/1s")])
    ledger.grant("early", 50, 0.0, 9.0)
    ledger.complete("early", 0.1, 0.1)
    ledger.grant("late", 10, 1.0, 9.0)
    ledger.see("late", BrokerUsage(1.0, Counts.WEIGHT, used=60), 2.0, 2.0)
    assert ledger.others(2.0) == (0,), "the broker looked at 1.05, when both were in its window"


def test_once_others_are_proven_all_is_theirs_that_is_not_surely_ours() -> None:
    ledger = asked_once()
    ledger.complete("a", 0.5, 0.5)
    ledger.grant("b", 10, 1.0, 30.0)  # when it was granted, 10 of ours were surely counted
    ledger.grant("c", 10, 1.1, 30.0)  # this may have been counted, or not
    told(ledger, "b", used=31, now=2.0)
    assert ledger.others(2.0) == (21,)


def test_a_foreign_request_of_weight_2_shows_as_2_whatever_is_counted_to_be_safe() -> None:
    ledger = asked_once(tokens=2)
    for name in "bcdefg":
        ledger.grant(name, 2, 0.0, 30.0)
    told(ledger, "a", used=14 + 2, now=1.0)
    assert (ledger.proven_others(1.0), ledger.others(1.0), ledger.counted(1.0)) == ((2,), (16,), (30,))
    told(ledger, "b", used=14 + 1, now=2.0)
    assert ledger.proven_others(1.0 + LENGTH_SECONDS - 0.001) == (2,)
    assert ledger.proven_others(1.0 + LENGTH_SECONDS) == (1,)
    assert ledger.proven_others(2.0 + LENGTH_SECONDS) == (0,)


def test_what_others_use_of_the_room_that_our_limit_leaves_them_shows_and_is_not_counted() -> None:
    ledger = asked_once()
    told(ledger, "a", used=870, now=1.0, allowed=1000)
    assert (ledger.proven_others(1.0), ledger.others(1.0)) == ((860,), (0,))


def test_an_answer_that_tells_of_less_shortens_nothing() -> None:
    ledger = asked_once()
    ledger.grant("b", 10, 0.0, 30.0)
    told(ledger, "a", used=70, now=1.0)
    told(ledger, "b", used=40, now=2.0)
    assert ledger.others(1.0 + LENGTH_SECONDS - 0.001) == (70,)
    assert ledger.others(1.0 + LENGTH_SECONDS) == (40,)
    assert ledger.others(2.0 + LENGTH_SECONDS) == (0,)


def test_answers_that_overtake_each_other_shorten_nothing() -> None:
    ledger = asked_once()
    ledger.grant("b", 10, 0.0, 30.0)
    told(ledger, "a", used=50, now=5.0)
    ledger.see("b", replace(USAGE, used=60), 4.0, 5.0)
    assert ledger.others(4.0 + LENGTH_SECONDS) == (60,)
    assert ledger.others(5.0 + LENGTH_SECONDS) == (0,)


def test_a_reset_that_the_broker_promises_later_than_a_window_is_waited_for() -> None:
    ledger = asked_once()
    told(ledger, "a", used=70, now=1.0, resets_after_seconds=90.0)
    assert ledger.others(90.9) == (70,)
    assert ledger.others(91.0) == (0,)


def test_a_reset_that_comes_sooner_restores_nothing_sooner() -> None:
    ledger = asked_once()
    told(ledger, "a", used=70, now=1.0, resets_after_seconds=5.0)
    assert ledger.others(LENGTH_SECONDS) == (70,)


def test_others_may_use_what_the_broker_allows_beyond_our_limit() -> None:
    ledger = asked_once()
    told(ledger, "a", used=870, now=1.0, allowed=1000)
    assert ledger.others(1.0) == (0,)
    ledger.grant("b", 10, 1.0, 30.0)
    told(ledger, "b", used=950, now=2.0, allowed=1000)
    assert ledger.others(2.0) == (40,)


def test_a_broker_that_allows_less_than_our_limit_is_believed() -> None:
    ledger = asked_once()
    told(ledger, "a", used=10, now=1.0, allowed=60)
    assert ledger.wait_seconds(50, 1.0) == 0
    assert ledger.wait_seconds(51, 1.0) > 0


def test_only_the_window_that_the_broker_speaks_of_counts_it() -> None:
    ledger = asked_once("100w/60s", "100/60s", "100w/1s", "100w/60s@orders")
    told(ledger, "a", used=70, now=0.5)
    assert ledger.others(0.5) == (60 + 10, 0, 0, 0)


def test_the_answer_to_a_permit_of_an_earlier_ledger_or_an_unknown_one_says_nothing() -> None:
    ledger = PermitLedger([MINUTE])
    ledger.restore([GrantedPermit("a", 10, 0.0, 30.0)], float("-inf"))
    told(ledger, "a", used=70, now=1.0)
    told(ledger, "nobody's", used=70, now=1.0)
    assert ledger.others(1.0) == (0,)


def test_a_successor_with_stricter_limits_inherits_what_others_use() -> None:
    ledger = asked_once()
    told(ledger, "a", used=70, now=1.0)
    successor = PermitLedger([RateLimit.parse("90w/60s"), RateLimit.parse("5/1s")])
    successor.inherit_others(ledger)
    assert (successor.others(1.0), successor.proven_others(1.0)) == ((70, 0), (60, 0))
    assert successor.wait_seconds(21, 1.0) == pytest.approx(LENGTH_SECONDS)


def test_others_who_use_everything_hold_us_up_for_a_window_and_no_longer() -> None:
    ledger = asked_once()
    told(ledger, "a", used=500, now=1.0)
    assert ledger.wait_seconds(1, 1.0) == pytest.approx(LENGTH_SECONDS)
    assert ledger.wait_seconds(100, 1.0 + LENGTH_SECONDS) == 0
