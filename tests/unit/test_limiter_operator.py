from __future__ import annotations

from actors.permits.operator import LimiterOperator
from adapters.in_memory import InMemoryAccountSwitch
from domain.grants import LimiterStatus
from tests.unit.cli_fakes import LIMITER_STATUS, FakeLimiter


def test_a_pause_is_on_the_switch_before_the_limiter_hears_of_it() -> None:
    switch, limiter = InMemoryAccountSwitch(), FakeLimiter()
    found_when: list[bool] = []

    def find() -> FakeLimiter:
        found_when.append(switch.is_paused())
        return limiter

    with LimiterOperator(switch, find) as operator:
        assert operator.pause()
        assert operator.resume()
    assert found_when == [True, False]
    assert limiter.orders == ["pause", "resume"]


def test_without_a_limiter_the_pause_holds_for_those_to_come_and_nothing_else_is_done() -> None:
    switch = InMemoryAccountSwitch()
    operator = LimiterOperator(switch, lambda: None)
    assert not operator.pause()
    assert operator.is_paused
    assert not operator.resume()
    assert not operator.is_paused
    assert not operator.shutdown()
    assert operator.status() is None


def test_a_limiter_is_shut_down_and_tells_how_it_stands() -> None:
    limiter, closed = FakeLimiter(), []
    with LimiterOperator(InMemoryAccountSwitch(), lambda: limiter, lambda: closed.append(True)) as operator:
        status: LimiterStatus | None = operator.status()
        assert status == LIMITER_STATUS
        assert operator.shutdown()
    assert limiter.orders == ["shutdown"]
    assert closed == [True]
