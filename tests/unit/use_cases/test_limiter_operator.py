from __future__ import annotations

from actors.use_cases.limiter_operator import LimiterOperator
from adapters.in_memory import InMemoryOperatorPause
from domain.limits.messages import LimiterStatus
from domain.limits.operator_pause import sync_pause_state
from tests.unit.cli.cli_fakes import LIMITER_STATUS, FakeLimiter


def test_a_pause_is_on_the_switch_before_the_limiter_hears_of_it() -> None:
    switch, limiter = InMemoryOperatorPause(), FakeLimiter()
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
    switch = InMemoryOperatorPause()
    operator = LimiterOperator(switch, lambda: None)
    assert not operator.pause()
    assert operator.is_paused
    assert not operator.resume()
    assert not operator.is_paused
    assert not operator.shutdown()
    assert operator.status() is None


def test_a_limiter_is_shut_down_and_tells_how_it_stands() -> None:
    limiter, closed = FakeLimiter(), []
    with LimiterOperator(InMemoryOperatorPause(), lambda: limiter, lambda: closed.append(True)) as operator:
        status: LimiterStatus | None = operator.status()
        assert status == LIMITER_STATUS
        assert operator.shutdown()
    assert limiter.orders == ["shutdown"]
    assert closed == [True]


class MeddledWith(FakeLimiter):
    """A limiter for which an operator has orders while it is brought in line with the switch."""

    def __init__(self, switch: InMemoryOperatorPause, meddle: list[str]) -> None:
        super().__init__()
        self._switch, self._meddle = switch, meddle

    def pause(self) -> None:
        self._operator_is_quicker()
        super().pause()

    def resume(self) -> None:
        self._operator_is_quicker()
        super().resume()

    def _operator_is_quicker(self) -> None:
        if self._meddle:
            order = self._meddle.pop(0)
            getattr(self._switch, order)()
            self.orders.append(order)


def test_a_limiter_that_begins_ends_up_as_the_switch_says_whenever_an_operator_turns_it() -> None:
    for meddle in ([], ["resume"], ["resume", "pause"], ["resume", "pause", "resume"]):
        switch = InMemoryOperatorPause()
        switch.pause()
        limiter = MeddledWith(switch, list(meddle))
        sync_pause_state(switch, limiter)
        assert limiter.orders[-1] == ("pause" if switch.is_paused() else "resume"), meddle


def test_a_limiter_of_an_account_that_is_not_paused_gets_no_order() -> None:
    limiter = FakeLimiter()
    sync_pause_state(InMemoryOperatorPause(), limiter)
    assert limiter.orders == []
