"""The arrival log: true sliding windows, checked against the simplest possible count."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.simulator.arrivals import Arrival, ArrivalLog, held_at_each_arrival
from domain.limits.rates import RateLimit

LIMITS = [RateLimit.parse("3/1s"), RateLimit.parse("10w/4s")]
gaps = st.lists(st.tuples(st.sampled_from([0.0, 0.125, 0.25, 0.5, 1.0, 3.0]), st.sampled_from([1, 2, 5])), max_size=40)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def brute_force(arrivals: list[Arrival], newest: int, limit: RateLimit) -> int:
    end = arrivals[newest].at_seconds
    inside = [a for a in arrivals[: newest + 1] if end - limit.window_seconds <= a.at_seconds <= end]
    return sum(limit.cost(a.weight) for a in inside)


def play(steps: list[tuple[float, int]]) -> tuple[ArrivalLog, list[float | None]]:
    clock = Clock()
    log = ArrivalLog(LIMITS, clock)
    waits: list[float | None] = []
    for gap_seconds, weight in steps:
        clock.now += gap_seconds
        waits.append(log.arrive("/api/v3/klines", "S", weight, "c")[1])
    return log, waits


@given(gaps)
def test_a_request_is_refused_exactly_when_some_window_holds_too_much(steps: list[tuple[float, int]]) -> None:
    log, waits = play(steps)
    for index, wait_seconds in enumerate(waits):
        completed = any(brute_force(log.arrivals, index, limit) > limit.amount for limit in LIMITS)
        assert (wait_seconds is not None) == completed


@given(gaps)
def test_the_report_agrees_with_counting_every_window_by_hand(steps: list[tuple[float, int]]) -> None:
    log, waits = play(steps)
    report = log.report()
    for limit in LIMITS:
        counts = [brute_force(log.arrivals, index, limit) for index in range(len(steps))]
        assert held_at_each_arrival(log.arrivals, limit).tolist() == counts
        assert report["most_in_window"][str(limit)] == max(counts, default=0)
    assert report["violations"] == sum(wait_seconds is not None for wait_seconds in waits)
    assert report["requests"] == len(steps)


def test_two_arrivals_exactly_one_window_apart_share_a_window() -> None:
    log, waits = play([(0.0, 1), (0.0, 1), (0.0, 1), (1.0, 1)])
    assert waits == [None, None, None, 0.0]
    assert log.report()["violations"] == 1


def test_a_client_that_waits_as_told_fits_again() -> None:
    clock = Clock()
    log = ArrivalLog(LIMITS[:1], clock)
    for _ in range(3):
        assert log.arrive("/", "S", 1, "c")[1] is None
        clock.now += 0.1
    _, wait_seconds = log.arrive("/", "S", 1, "c")
    assert wait_seconds == pytest.approx(0.8)
    clock.now += 0.8 + 1e-6
    assert log.arrive("/", "S", 1, "c")[1] is None


def test_used_weight_forgets_what_is_older_than_a_minute() -> None:
    log, _ = play([(0.0, 5)] + [(3.0, 2)] * 21)
    assert log.used_weight == 2 * 21


def test_how_late_the_server_itself_was_stands_beside_the_arrival() -> None:
    log = ArrivalLog(LIMITS, Clock())
    log.arrive("/", "S", 1, "c", lag_seconds=0.25)
    log.arrive("/", "S", 1, "c")
    assert [arrival["lag_seconds"] for arrival in log.as_json()] == [0.25, 0.0]
