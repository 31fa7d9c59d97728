"""The guarantee, checked at the broker: no window ever holds more than its limit, and hardly any time is lost."""

from __future__ import annotations

import asyncio

import pytest

from actors.limiter.shaper import PermitShaper
from adapters.in_memory.permits import PermitMemory
from domain.limits.rates import RateLimit, ideal_makespan_seconds
from tests.unit.limiter.limiter_bench import BarePermits, Network, RemoteCalls, client_of, limiter_of


async def test_four_workers_on_a_jittery_network_never_exceed_the_limit() -> None:
    network = Network(seed=1, freezes=True)
    await network.requests(client_of(limiter_of("15/1s")), count=600, workers=16)
    assert network.violations("15/1s") == 0
    assert network.abandoned > 5
    assert network.expired > 5
    assert len(network.arrivals) == 600


@pytest.mark.parametrize("seed", range(5))
async def test_several_windows_and_weights_over_a_slow_line_are_never_exceeded(seed: int) -> None:
    limits = ("10/1s", "60w/2s", "100/20s")
    network = Network(seed, freezes=True)
    clients = [client_of(RemoteCalls(limiter, seed)) for limiter in [limiter_of(*limits)] for _ in range(3)]
    runs = (network.requests(client, 60, workers=6, tokens=(1, 2, 20, 5)) for client in clients)
    await asyncio.gather(*runs)
    assert network.violations(*limits) == 0


@pytest.mark.parametrize("seed", range(5))
async def test_a_limiter_that_dies_again_and_again_lets_nothing_through(seed: int) -> None:
    memory = PermitMemory()
    network = Network(seed, freezes=True)
    calls = RemoteCalls(limiter_of("15/1s", "60/10s", memory=memory), seed)
    client = client_of(calls)

    async def kill_again_and_again() -> None:
        for death in range(8):
            await asyncio.sleep(1.3)
            await calls.replace(limiter_of("15/1s", "60/10s", memory=memory), down_seconds=0.1 * death)

    await asyncio.gather(network.requests(client, 200, workers=12), kill_again_and_again())
    assert network.violations("15/1s", "60/10s") == 0
    assert len(network.arrivals) == 200


async def test_the_judge_has_teeth_a_limiter_that_forgets_is_caught() -> None:
    network = Network(seed=1)
    for _ in range(6):
        await asyncio.gather(*(network.request(client_of(limiter_of("15/1s"))) for _ in range(15)))
    assert network.violations("15/1s") > 0


@pytest.mark.parametrize(("amount", "window_seconds"), [(15, 1.0), (1, 1 / 15)])
async def test_the_judge_has_teeth_a_token_bucket_alone_is_caught(amount: float, window_seconds: float) -> None:
    network = Network(seed=1)
    await network.requests(BarePermits(amount, window_seconds), count=600, workers=40)
    assert network.violations("15/1s") > 0


async def test_the_makespan_is_within_one_percent_of_the_ideal() -> None:
    network = Network(one_way_seconds=0.025)
    seconds = await network.requests(client_of(limiter_of("15/1s")), count=600, workers=16)
    assert 1.0 < seconds / ideal_makespan_seconds(600, RateLimit.parse("15/1s"), 0.05) < 1.01
    assert network.violations("15/1s") == 0


async def test_shaping_costs_less_than_one_percent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def makespan() -> float:
        return await Network(one_way_seconds=0.025).requests(client_of(limiter_of("15/1s")), count=600, workers=16)

    shaped = await makespan()
    monkeypatch.setattr(PermitShaper, "is_ready", lambda *_: True)
    assert shaped / await makespan() < 1.01
