"""Budgets by endpoint: a pool's limit counts its own requests only, and no pool starves another."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest

from domain.limits.ports import Permit, PermitSource
from domain.limits.rates import RateLimit
from domain.limits.windows import PermitWindow
from tests.unit.limiter.limiter_bench import Network, client_of, limiter_of, now

SHARED = "60w/10s"
LENGTH_SECONDS = PermitWindow(RateLimit.parse(SHARED)).length_seconds


async def taken(permits: PermitSource, count: int, tokens: int = 1, pool: str = "") -> list[float]:
    """When so many requests, one after the other, got their permits; each is answered at once."""
    moments = []
    for _ in range(count):
        async with permits.acquire(tokens, pool) as permit:
            permit.sent()
            moments.append(now())
            permit.answered()
    return moments


async def test_a_pools_limit_counts_the_requests_of_that_pool_only() -> None:
    client = client_of(limiter_of("3/1s@historical", "10/1s"))
    historical, quotes = await asyncio.gather(taken(client, 4, pool="historical"), taken(client, 6, pool="quotes"))
    assert historical == pytest.approx([0, 0, 0, 1.002], abs=0.01)
    assert quotes == pytest.approx([0] * 6, abs=0.01)


async def test_whoever_waits_in_one_pool_does_not_hold_up_another() -> None:
    client = client_of(limiter_of("1/60s@slow", "100/1s"))
    await taken(client, 1, pool="slow")
    waiting = asyncio.create_task(taken(client, 1, pool="slow"))
    await asyncio.sleep(0.1)
    assert await taken(client, 5, pool="quick") == pytest.approx([0.1] * 5, abs=0.05)
    await waiting


async def test_a_heavy_request_of_one_pool_is_not_starved_by_a_trickle_of_light_ones_of_another() -> None:
    client = client_of(limiter_of(SHARED))

    async def trickle() -> None:
        for _ in range(300):
            await taken(client, 1, pool="light")
            await asyncio.sleep(0.16)

    light = asyncio.create_task(trickle())
    await asyncio.sleep(15)
    began = now()
    await taken(client, 1, tokens=60, pool="heavy")
    assert now() - began < 2 * LENGTH_SECONDS
    await light


async def test_who_asked_before_a_heavy_request_of_another_pool_is_served_before_it() -> None:
    client = client_of(limiter_of(SHARED))
    await taken(client, 1, pool="light")
    await client.cool_down(1.0, "both have to wait")
    light = asyncio.create_task(taken(client, 1, pool="light"))
    await asyncio.sleep(0.1)
    heavy = asyncio.create_task(taken(client, 1, tokens=60, pool="heavy"))
    assert await light == pytest.approx([1.0], abs=0.01)
    assert await heavy == pytest.approx([1.0 + LENGTH_SECONDS], abs=0.05)


async def test_what_only_a_pool_of_its_own_holds_up_takes_nothing_from_others_meanwhile() -> None:
    client = client_of(limiter_of("60w/10s", "60w/60s@heavy"))
    await taken(client, 1, tokens=60, pool="heavy")
    heavy = asyncio.create_task(taken(client, 1, tokens=60, pool="heavy"))
    await asyncio.sleep(LENGTH_SECONDS)
    light = await taken(client, 100, pool="light")
    assert light[-1] < 25
    await heavy


class OfPool:
    """A source of permits that asks for those of one pool."""

    def __init__(self, source: PermitSource, pool: str) -> None:
        self._source, self._pool = source, pool

    def acquire(self, tokens: int = 1, pool: str = "") -> AbstractAsyncContextManager[Permit]:
        return self._source.acquire(tokens, self._pool)

    async def cool_down(self, retry_after_seconds: float | None, reason: str) -> None:
        await self._source.cool_down(retry_after_seconds, reason)


async def test_windows_of_pools_and_windows_they_share_are_kept_together() -> None:
    limits = ("20/1s", "5/1s@a", "40w/2s@b", "60w/4s")
    client = client_of(limiter_of(*limits))
    networks = {pool: Network(seed, freezes=True) for seed, pool in enumerate("abc")}
    await asyncio.gather(
        *(each.requests(OfPool(client, pool), 80, workers=4, tokens=(1, 3)) for pool, each in networks.items())
    )
    for limit in map(RateLimit.parse, limits):
        judge = Network()
        judge.arrivals = [one for pool, each in networks.items() if limit.pool in ("", pool) for one in each.arrivals]
        assert judge.violations(str(limit)) == 0, str(limit)
