"""A run started right after another was killed: it takes the room that the record shows, and no more."""

from __future__ import annotations

import asyncio

import pytest

from actors.rate_limiter import RateLimiter
from adapters.in_memory.permit_log import InMemoryPermitLog, LoggedPermits
from adapters.in_memory.permits import InMemoryPermitRecord, PermitMemory
from domain.errors import LimiterUnavailable
from domain.limits.audit import audit
from domain.limits.messages import PermitRequest
from domain.limits.rates import RateLimit
from tests.unit.limiter.limiter_bench import (
    FLIGHT_SECONDS,
    Network,
    account,
    client_of,
    granted_of,
    limiter_of,
    used_up,
)

LONG_WINDOWS = ["40/60s", "200/10m"]


@pytest.mark.parametrize("limit", LONG_WINDOWS)
async def test_the_second_run_uses_the_room_at_once_and_waits_only_for_the_rest(limit: str) -> None:
    memory, network = PermitMemory(), Network(seed=3)
    amount, window_seconds = RateLimit.parse(limit).amount, RateLimit.parse(limit).window_seconds
    before = amount - amount // 4
    await network.requests(client_of(limiter_of(limit, memory=memory)), count=before, workers=4)
    memory.kill_holder()

    second = limiter_of(limit, memory=memory, session="two")
    began = asyncio.get_running_loop().time()
    await network.requests(client_of(second), count=2 * amount, workers=8)

    at_once = [moment for moment, _ in network.arrivals if began <= moment < network.arrivals[0][0] + window_seconds]
    assert len(at_once) == amount - before, "the room the record shows is used within the first run's window"
    assert network.violations(limit) == 0


@pytest.mark.parametrize("limit", LONG_WINDOWS)
async def test_permits_of_a_killed_run_count_until_their_requests_could_no_longer_arrive(limit: str) -> None:
    memory = PermitMemory()
    amount, window_seconds = RateLimit.parse(limit).amount, RateLimit.parse(limit).window_seconds
    first = limiter_of(limit, memory=memory)
    await used_up(first, amount)
    memory.kill_holder()

    loop = asyncio.get_running_loop()
    lent_at, second = loop.time(), limiter_of(limit, memory=memory, session="two")
    permits = client_of(second)
    async with permits.acquire():
        waited_seconds = loop.time() - lent_at
    assert waited_seconds == pytest.approx(window_seconds + FLIGHT_SECONDS, rel=0.002)


@pytest.mark.parametrize("window", ["20/5s", "60/60s"])
async def test_a_record_that_cannot_tell_is_waited_out_and_the_reason_is_told(window: str) -> None:
    loop = asyncio.get_running_loop()
    memory = PermitMemory(complete_since=loop.time() + FLIGHT_SECONDS)
    limiter = limiter_of(window, memory=memory)
    waiting = loop.create_task(client_of(limiter).acquire().__aenter__())
    await asyncio.sleep(0.01)
    status = await limiter.status()
    assert (status.cooldown_seconds, status.cooldown_reason) == (0.0, "")
    assert status.evidence_wait_reason == status.note != ""
    assert status.evidence_wait_seconds == pytest.approx(
        RateLimit.parse(window).window_seconds + FLIGHT_SECONDS, rel=0.01
    )
    await asyncio.sleep(status.evidence_wait_seconds - 0.1)
    assert not waiting.done()
    await waiting
    assert await granted_of(limiter) == 1


@pytest.mark.parametrize("seed", range(3))
async def test_every_run_on_a_jittery_network_is_proven_by_its_log_across_the_death_of_its_limiter(seed: int) -> None:
    memory, logged, network = PermitMemory(), LoggedPermits(), Network(seed, freezes=True)
    loop = asyncio.get_running_loop()

    def limiter(session: str) -> RateLimiter:
        return RateLimiter(
            account("15/1s", "60w/5s"),
            lambda limits: InMemoryPermitRecord(limits, memory, session=session),
            clock=loop.time,
            log=InMemoryPermitLog(logged),
        )

    for session in ("one", "two", "three"):
        permits = client_of(limiter(session)).bound_to("a job")
        await network.requests(permits, count=80, workers=8, tokens=(1, 3, 2))
        memory.kill_holder()

    verdict = audit(logged.history(), "a job")
    assert verdict.is_proven
    assert [window.limit.amount - window.most for window in verdict.windows] == [0, 0]
    assert verdict.answered + verdict.abandoned + verdict.unheard == verdict.permits == len(network.arrivals)
    assert verdict.abandoned == network.abandoned > 0


async def test_a_permit_that_the_record_could_not_note_is_in_no_log() -> None:
    memory, logged = PermitMemory(), LoggedPermits()
    limiter = RateLimiter(
        account("15/1s"),
        lambda limits: InMemoryPermitRecord(limits, memory),
        clock=asyncio.get_running_loop().time,
        log=InMemoryPermitLog(logged),
    )
    await used_up(limiter, 2)
    memory.is_full = True
    with pytest.raises(LimiterUnavailable):
        await limiter.acquire(PermitRequest())
    assert len(logged.history()) == 2
