"""The broker's refusal and lost evidence are two waits: the operator may end the first, and nobody the second."""

from __future__ import annotations

import asyncio

import pytest

from actors.rate_limiter import RateLimiter
from adapters.in_memory.permits import InMemoryPermitRecord, PermitMemory
from domain.errors import LimiterUnavailable
from domain.limits.messages import PermitRequest
from tests.unit.limiter.limiter_bench import FLIGHT_SECONDS, WINDOW_SECONDS, account, limiter_of, now
from tests.unit.limits.test_cooldown import NotedMetrics


async def test_an_operator_ends_a_cooldown_and_whoever_waits_is_served_at_once() -> None:
    limiter = limiter_of("15/1s")
    await limiter.cool_down(3600.0, "HTTP 418")
    waiting = asyncio.create_task(limiter.acquire(PermitRequest()))
    await asyncio.sleep(10)
    assert await limiter.end_cooldown() == pytest.approx(3590)
    assert await waiting is not None
    assert now() == pytest.approx(10, abs=0.01)
    assert await limiter.end_cooldown() == 0.0, "there is none any more"


async def test_ending_a_cooldown_never_shortens_the_wait_for_lost_evidence() -> None:
    limiter = limiter_of("15/1s", memory=PermitMemory(complete_since=FLIGHT_SECONDS))
    await limiter.cool_down(60.0, "HTTP 429")
    before = await limiter.status()
    assert (before.cooldown_seconds, before.cooldown_reason) == (60.0, "HTTP 429")
    assert before.evidence_wait_seconds == pytest.approx(FLIGHT_SECONDS + WINDOW_SECONDS)
    assert before.evidence_wait_reason == before.note
    assert await limiter.end_cooldown() == 60.0
    after = await limiter.status()
    assert (after.cooldown_seconds, after.evidence_wait_seconds) == (0.0, before.evidence_wait_seconds)
    assert await limiter.acquire(PermitRequest()) is not None
    assert now() == pytest.approx(FLIGHT_SECONDS + WINDOW_SECONDS)


async def test_a_restart_does_not_bring_a_cooldown_back_that_an_operator_ended() -> None:
    memory = PermitMemory()
    limiter = limiter_of("15/1s", memory=memory)
    await limiter.cool_down(60.0, "HTTP 429")
    await limiter.end_cooldown()
    memory.kill_holder()
    successor = limiter_of("15/1s", memory=memory)
    assert await successor.acquire(PermitRequest()) is not None
    assert now() < 0.1


async def test_a_cooldown_whose_end_cannot_be_noted_goes_on() -> None:
    memory = PermitMemory()
    limiter = limiter_of("15/1s", memory=memory)
    await limiter.cool_down(60.0, "HTTP 429")
    memory.is_full = True
    with pytest.raises(LimiterUnavailable, match="no permit is granted without its record"):
        await limiter.end_cooldown()
    assert (await limiter.status()).cooldown_seconds == 60.0


async def test_a_refusal_after_an_ended_cooldown_begins_another_in_a_row_with_it() -> None:
    limiter = limiter_of("15/1s")
    assert await limiter.cool_down(None, "HTTP 429") == pytest.approx(1)
    await limiter.end_cooldown()
    await asyncio.sleep(0.1)
    assert await limiter.cool_down(None, "HTTP 429") == pytest.approx(2)
    status = await limiter.status()
    assert (status.cooldowns, status.cooldown_length_seconds) == (2, pytest.approx(2))


async def test_the_metrics_tell_the_two_waits_apart() -> None:
    memory, metrics = PermitMemory(complete_since=FLIGHT_SECONDS), NotedMetrics()
    limiter = RateLimiter(account("15/1s"), lambda limits: InMemoryPermitRecord(limits, memory), metrics, clock=now)
    await limiter.cool_down(60.0, "HTTP 429")
    await limiter.status()
    assert metrics.cooldown_seconds[-1] == 60.0
    assert metrics.evidence_wait_seconds[-1] == pytest.approx(FLIGHT_SECONDS + WINDOW_SECONDS)


async def test_windows_longer_than_the_record_remembers_are_waited_out_and_that_is_said() -> None:
    await asyncio.sleep(100)
    limiter = limiter_of("15/1s", memory=PermitMemory(complete_since=90.0))
    await limiter.attach("patient", account("100/60s"))
    status = await limiter.status()
    assert status.evidence_wait_seconds == pytest.approx(90 + 60 - 100, abs=0.1)
    assert status.evidence_wait_reason == "the permit record does not reach back over the whole of the longest window"
