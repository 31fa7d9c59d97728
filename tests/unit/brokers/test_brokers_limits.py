"""The limits of real brokers, all of a broker's windows at once: kept, none starved, hardly any time lost."""

from __future__ import annotations

import ast
import asyncio
import random
import time
from pathlib import Path

import pytest

from domain.limits.rates import RateLimit, ideal_makespan_seconds
from domain.limits.windows import PermitWindow
from tests.unit.limiter.limiter_bench import Network, RemoteCalls, client_of, limiter_of, now

UPSTOX = ("50/1s", "500/60s", "2000/30m")
BINANCE = ("6000w/60s",)
KITE = ("3/1s",)
TREE = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("limits", "requests", "tokens"),
    [(UPSTOX, 2_300, (1,)), (BINANCE, 3_600, (2,)), (BINANCE, 1_200, (2, 2, 20, 1, 2)), (KITE, 120, (1,))],
    ids=["Upstox", "Binance", "Binance, mixed weights", "Kite"],
)
async def test_every_window_is_kept_on_a_jittery_network_with_freezes_and_abandoned_requests(
    limits: tuple[str, ...], requests: int, tokens: tuple[int, ...]
) -> None:
    network = Network(seed=5, freezes=True)
    limiter = limiter_of(*limits)
    await network.requests(client_of(RemoteCalls(limiter, seed=5)), requests, workers=24, tokens=tokens)
    assert network.violations(*limits) == 0
    assert len(network.arrivals) == requests
    await limiter.shutdown()


@pytest.mark.parametrize(
    ("limits", "requests", "tokens"),
    [(UPSTOX, 2_300, 1), (BINANCE, 6_100, 2), (KITE, 120, 1)],
    ids=["Upstox", "Binance", "Kite"],
)
async def test_the_makespan_is_that_of_the_window_that_binds(
    limits: tuple[str, ...], requests: int, tokens: int
) -> None:
    network = Network(one_way_seconds=0.025)
    limiter = limiter_of(*limits)
    seconds = await network.requests(client_of(limiter), requests, workers=24, tokens=(tokens,))
    ideal = max(ideal_makespan_seconds(requests, RateLimit.parse(limit), 0.05, tokens) for limit in limits)
    assert 1.0 < seconds / ideal < 1.01
    assert network.violations(*limits) == 0
    await limiter.shutdown()


async def test_a_heavy_request_is_not_starved_by_light_ones() -> None:
    network, limiter = Network(one_way_seconds=0.025), limiter_of("60w/10s")
    client = client_of(limiter)
    light = asyncio.ensure_future(network.requests(client, 400, workers=8, tokens=(1,)))
    await asyncio.sleep(1)
    began = now()
    await network.request(client, 60)
    assert now() - began < 2 * PermitWindow(RateLimit.parse("60w/10s")).length_seconds
    await light
    assert network.violations("60w/10s") == 0
    await limiter.shutdown()


async def test_a_wall_clock_that_jumps_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(7)
    monkeypatch.setattr(time, "time", lambda: chance.uniform(0, 4e9))
    monkeypatch.setattr(time, "time_ns", lambda: chance.randrange(4 * 10**18))
    network = Network(seed=7, freezes=True)
    limiter = limiter_of("15/1s", "100w/5s")
    await network.requests(client_of(RemoteCalls(limiter, seed=7)), 200, workers=12, tokens=(1, 3))
    assert network.violations("15/1s", "100w/5s") == 0
    await limiter.shutdown()


PARTS = [TREE / "actors" / "rate_limiter.py", *sorted((TREE / "actors" / "permits").glob("*.py"))]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.stem)
def test_no_part_of_the_limiter_reads_a_clock_that_somebody_can_set(part: Path) -> None:
    tree = ast.parse(part.read_text())
    reads = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert reads.isdisjoint({"time.time", "time.time_ns", "datetime.now", "datetime.utcnow"})
