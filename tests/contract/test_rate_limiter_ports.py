"""What every rate limiter keeps to, the fake included: `domain.limits.ports.IRateLimiter`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from actors.collecting.permit_client import PermitClient
from actors.rate_limiter import RateLimiter
from adapters.boot_clock import boot_seconds
from adapters.in_memory import InMemoryPermitRecord, InMemoryRateLimiter
from domain.limits.ports import IRateLimiter
from domain.limits.rates import AccountLimits, Counts, RateLimit
from domain.limits.usage import BrokerUsage

LIMITS = AccountLimits("binance", "default", (RateLimit.parse("1000/1s"),), timeout_seconds=1, abandoned_seconds=1)


@dataclass
class Subject:
    """A limiter, how to stop it from granting and start it again, and what it granted, in tokens."""

    limiter: IRateLimiter
    hold: Callable[[], Awaitable[None]]
    let_go: Callable[[], Awaitable[None]]
    granted: Callable[[], Awaitable[int]]


def fake() -> Subject:
    limiter = InMemoryRateLimiter()

    async def hold() -> None:
        limiter.gate.clear()

    async def let_go() -> None:
        limiter.gate.set()

    async def granted() -> int:
        return limiter.tokens_granted

    return Subject(limiter, hold, let_go, granted)


def real() -> Subject:
    limiter = RateLimiter(LIMITS, InMemoryPermitRecord, clock=boot_seconds)

    async def granted() -> int:
        return (await limiter.status()).granted

    return Subject(PermitClient(limiter, clock=boot_seconds), limiter.pause, limiter.resume, granted)


@pytest.fixture(params=[fake, real], ids=["InMemoryRateLimiter", "PermitClient over RateLimiter"])
async def subject(request: pytest.FixtureRequest) -> Subject:
    built: Subject = request.param()
    return built


async def test_a_permit_has_the_weight_asked_for_and_is_told_its_request(subject: Subject) -> None:
    async with subject.limiter.acquire(tokens=3) as permit:
        assert permit.tokens == 3
        permit.sent()
        permit.answered([BrokerUsage(60.0, Counts.WEIGHT, used=3)])
    async with subject.limiter.acquire() as permit:
        assert permit.tokens == 1
    assert await subject.granted() == 4
    await subject.limiter.close()


async def test_what_asking_for_a_permit_took_is_a_part_of_the_wait_for_it(subject: Subject) -> None:
    loop = asyncio.get_running_loop()
    asked_at = loop.time()
    async with subject.limiter.acquire() as permit:
        assert 0 <= permit.travel_seconds <= loop.time() - asked_at
    await subject.limiter.close()


async def test_permits_may_be_held_side_by_side(subject: Subject) -> None:
    async with subject.limiter.acquire() as first, subject.limiter.acquire() as second:
        assert first is not second
    await subject.limiter.close()


async def test_a_permit_taken_for_a_job_is_one_of_the_account(subject: Subject) -> None:
    async with subject.limiter.bound_to("job").acquire(tokens=2) as permit:
        assert permit.tokens == 2
    assert await subject.granted() == 2
    await subject.limiter.close()


async def test_whoever_asks_while_nothing_is_granted_waits_until_it_is(subject: Subject) -> None:
    async def take() -> int:
        async with subject.limiter.acquire() as permit:
            return permit.tokens

    await subject.hold()
    waiting = asyncio.create_task(take())
    done, _ = await asyncio.wait({waiting}, timeout=0.02)
    assert not done
    await subject.let_go()
    assert await waiting == 1
    await subject.limiter.close()


async def test_a_wait_can_be_cancelled_and_takes_nothing(subject: Subject) -> None:
    async def take() -> None:
        async with subject.limiter.acquire():
            raise AssertionError("nothing was granted")

    await subject.hold()
    waiting = asyncio.create_task(take())
    await asyncio.wait({waiting}, timeout=0.02)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await subject.limiter.close()
    await subject.let_go()
    await asyncio.sleep(0)
    assert await subject.granted() == 0


async def test_errors_inside_the_context_pass(subject: Subject) -> None:
    async def fail() -> None:
        async with subject.limiter.acquire() as permit:
            permit.sent()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    await subject.limiter.close()


async def test_a_cooldown_may_have_a_time_or_none_and_closing_twice_is_closing_once(subject: Subject) -> None:
    await subject.limiter.bound_to("job").cool_down(None, "HTTP 429")
    await subject.limiter.cool_down(0.01, "HTTP 418")
    await subject.limiter.close()
    await subject.limiter.close()
