"""Scripted faults: dealt out as scripted, and no others."""

from __future__ import annotations

import math
import random

import pytest

from adapters.simulator.faults import NO_LATENCY, Fault, FaultKind, FaultScript, Latency


def test_a_fault_is_written_in_one_line() -> None:
    fault = Fault.parse("hung,symbol=SIM001,probability=0.5,times=2")
    assert fault == Fault(FaultKind.HUNG, "SIM001", 0.5, 2)
    assert Fault.parse("first_bars,bars=500") == Fault(FaultKind.FIRST_BARS, bars=500)


@pytest.mark.parametrize("text", ["no_such_kind", "hung,colour=red", "hung,times=many"])
def test_a_fault_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no_such_kind|colour|many"):
        Fault.parse(text)


def test_a_fault_strikes_its_symbol_and_only_as_often_as_scripted() -> None:
    faults = [Fault(FaultKind.HUNG, "A", times=2)]
    script = FaultScript(faults)
    dealt = [script.next_for(symbol, False) for symbol in "BAAA"]
    assert [fault and fault.kind for fault in dealt] == [None, FaultKind.HUNG, FaultKind.HUNG, None]
    assert faults[0].times == 2


def test_a_probability_is_kept_and_repeats_with_its_seed() -> None:
    dealt = [
        [script.next_for("A", False) is not None for _ in range(2000)]
        for script in (FaultScript([Fault(FaultKind.HUNG, probability=0.3)], seed) for seed in (1, 1, 2))
    ]
    assert dealt[0] == dealt[1] != dealt[2]
    assert 500 < sum(dealt[0]) < 700


def test_a_fresh_connection_is_not_dropped_as_a_kept_one() -> None:
    script = FaultScript([Fault(FaultKind.DROPPED_WHEN_KEPT_ALIVE)])
    assert script.next_for("A", is_kept_alive=False) is None
    dropped = script.next_for("A", is_kept_alive=True)
    assert dropped is not None
    assert dropped.kind is FaultKind.DROPPED_WHEN_KEPT_ALIVE


def test_latency_is_jittered_around_its_median() -> None:
    source = random.Random(1)
    draws = sorted(Latency(0.05, 0.2).uplink_seconds(source) for _ in range(1001))
    assert 0.045 < draws[500] < 0.055
    assert draws[0] < 0.03
    assert draws[-1] > 0.1
    assert NO_LATENCY.downlink_seconds(source) == 0


def test_a_share_of_the_requests_is_late_on_the_way_in_and_none_on_the_way_out() -> None:
    source = random.Random(1)
    latency = Latency(0.025, 0.025, sigma=0.1, late_share=0.05, late_seconds=0.4)
    ways_in = [latency.uplink_seconds(source) for _ in range(4000)]
    late = [seconds for seconds in ways_in if seconds > 0.4]
    assert 150 < len(late) < 250
    assert all(0.4 < seconds < 0.5 for seconds in late)
    assert max(seconds for seconds in ways_in if seconds < 0.4) < 0.1
    assert max(latency.downlink_seconds(source) for _ in range(1000)) < 0.1


def test_a_network_without_late_requests_draws_as_it_always_did() -> None:
    drawn, expected = random.Random(7), random.Random(7)
    for _ in range(20):
        ways_in = Latency(0.05, sigma=0.5).uplink_seconds(drawn)
        assert ways_in == expected.lognormvariate(math.log(0.05), 0.5)
