from __future__ import annotations

import pytest

from domain.errors import PermitImpossible
from domain.limits.ledger import GrantedPermit, PermitLedger
from domain.limits.rates import Counts, RateLimit

FIFTEEN = RateLimit(15, 1.0)


def full_ledger(permits: int = 15, bound: float = 20.0) -> PermitLedger:
    ledger = PermitLedger([FIFTEEN])
    for number in range(permits):
        ledger.grant(str(number), 1, 0.0, bound)
    return ledger


def test_a_permit_counts_until_one_widened_window_after_its_end() -> None:
    ledger = full_ledger()
    assert ledger.complete("3", 0.25, 0.4) == GrantedPermit("3", 1, 0.0, 0.25, has_completed=True)
    assert ledger.wait_seconds(1, 0.4) == pytest.approx(0.25 + 1.002 - 0.4)
    assert ledger.wait_seconds(1, 1.2519) > 0
    assert ledger.wait_seconds(1, 1.2521) == 0


def test_a_request_that_arrives_on_both_edges_of_a_window_would_break_an_unwidened_ledger() -> None:
    ledger = full_ledger()
    for number in range(15):
        ledger.complete(str(number), 0.0, 0.0)
    assert ledger.wait_seconds(1, 1.0) > 0


def test_a_permit_without_a_completion_lapses_at_its_bound() -> None:
    ledger = full_ledger(bound=20.0)
    assert ledger.wait_seconds(1, 5.0) == pytest.approx(20.0 + 1.002 - 5.0)
    assert ledger.complete("0", 19.0, 20.5) is None, "too late to shorten it"
    assert ledger.wait_seconds(1, 21.0) > 0
    assert ledger.wait_seconds(1, 21.003) == 0
    assert ledger.counted(21.003) == (0,)


def test_an_end_outside_its_grant_and_its_bound_is_taken_as_the_nearer_of_the_two() -> None:
    ledger = full_ledger(bound=20.0)
    early, late = ledger.complete("0", -5.0, 1.0), ledger.complete("1", 99.0, 1.0)
    assert early is not None
    assert late is not None
    assert (early.completed_at, late.completed_at) == (0.0, 20.0)


def test_a_permit_completed_twice_ends_once() -> None:
    ledger = full_ledger()
    assert ledger.complete("0", 0.1, 0.2) is not None
    assert ledger.complete("0", 0.2, 0.2) is None
    assert ledger.release("0", 0.2) is None
    assert ledger.counted(0.2) == (15,)


def test_a_permit_never_used_counts_no_more() -> None:
    ledger = full_ledger()
    assert ledger.release("7", 0.1) is not None
    assert ledger.wait_seconds(1, 0.1) == 0
    assert ledger.counted(0.1) == (14,)


def test_a_permit_granted_again_after_its_release_keeps_its_own_bound() -> None:
    ledger = PermitLedger([FIFTEEN])
    ledger.grant("before it", 1, 0.0, 4.0)
    ledger.grant("a", 1, 0.0, 5.0)
    ledger.release("a", 1.0)
    ledger.grant("a", 1, 2.0, 9.0)
    assert ledger.counted(8.0) == (1,)
    assert ledger.complete("a", 8.0, 8.0) is not None


def test_the_same_permit_is_not_granted_twice() -> None:
    ledger = full_ledger(permits=1)
    with pytest.raises(ValueError, match="granted already"):
        ledger.grant("0", 1, 0.0, 20.0)
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
    ledger.grant("heavy", 9, 0.0, 1.0)
    assert ledger.wait_seconds(2, 0.0) == pytest.approx(1.0 + 60.061)
    assert ledger.counted(0.0) == (1, 9)
    ledger.grant("light", 1, 0.0, 1.0)
    assert ledger.wait_seconds(1, 0.0) == pytest.approx(1.0 + 60.061)


def test_a_cooldown_lasts_to_its_end_and_is_never_shortened() -> None:
    ledger = PermitLedger([FIFTEEN])
    ledger.cool_down(30.0)
    ledger.cool_down(20.0)
    assert ledger.wait_seconds(1, 10.0) == 20.0
    assert ledger.wait_seconds(1, 30.0) == 0


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    ledger = full_ledger(permits=1)
    ledger.complete("0", 0.5, 1.0)
    assert ledger.counted(2.0) == (0,)
    assert ledger.grant("1", 1, 1.2, 1.3).granted_at == 2.0


def test_a_successor_counts_more_than_fits_and_waits_until_it_does() -> None:
    ledger = PermitLedger([RateLimit(2, 1.0)])
    ledger.restore([GrantedPermit(str(n), 1, 0.0, n / 10, has_completed=True) for n in range(5)], float("-inf"))
    assert ledger.wait_seconds(1, 0.5) == pytest.approx(0.3 + 1.002 - 0.5)


def test_a_ledger_without_a_limit_is_none() -> None:
    with pytest.raises(ValueError, match="at least one limit"):
        PermitLedger([])


def test_several_permits_are_granted_together_all_or_none() -> None:
    ledger = full_ledger(permits=12)
    assert ledger.wait_seconds(1, 0.0) == 0
    assert ledger.wait_seconds(1, 0.0, permits=4) > 0
    with pytest.raises(ValueError, match="may not be granted yet"):
        ledger.grant_all(["a", "b", "c", "d"], 1, 0.0, 5.0)
    with pytest.raises(ValueError, match="is granted already"):
        ledger.grant_all(["a", "3"], 1, 0.0, 5.0)
    assert ledger.counted(0.0) == (12,)
    assert [permit.permit_id for permit in ledger.grant_all(["a", "b", "c"], 1, 0.0, 5.0)] == ["a", "b", "c"]
    assert ledger.counted(0.0) == (15,)
    ledger.release("b", 0.0)
    assert ledger.counted(0.0) == (14,)
