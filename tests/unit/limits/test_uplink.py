"""`uplink_seconds`: a token is free one window after the earlier of its answer and its sending plus the uplink."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from actors.rate_limiter import RateLimiter
from adapters.in_memory.permits import InMemoryPermitRecord, PermitMemory
from domain.limits.messages import Completion, Outcome, PermitRequest
from domain.limits.rates import AccountLimits
from tests.unit.limiter.limiter_bench import (
    VALID_SECONDS,
    WINDOW_SECONDS,
    Network,
    RemoteCalls,
    account,
    client_of,
    now,
)

UPLINK_SECONDS = 0.3


def vouched(*limits: str, uplink_seconds: float | None = UPLINK_SECONDS) -> AccountLimits:
    return replace(account(*limits), uplink_seconds=uplink_seconds)


def limiter_with(limits: AccountLimits, memory: PermitMemory | None = None) -> RateLimiter:
    remembered = memory or PermitMemory()
    return RateLimiter(
        limits, lambda agreed: InMemoryPermitRecord(agreed, remembered), clock=asyncio.get_running_loop().time
    )


class SlowAnswers(Network):
    """Counts requests within `uplink_seconds`; their answers take any time, or never come."""

    async def exchange(self, tokens: int) -> None:
        loop = asyncio.get_running_loop()
        # The earlier it is counted the later it is answered: the smallest round trip tells nothing of the uplink.
        there = min(self.leg_seconds(), UPLINK_SECONDS)
        loop.call_later(there, lambda: self.arrivals.append((loop.time(), tokens)))
        await asyncio.sleep(max(there, 0.45) + self.leg_seconds())


@pytest.mark.parametrize(
    ("outcome", "call_seconds", "free_at"),
    [
        (Outcome.ANSWERED, 0.1, 0.4 + 0.1),
        (Outcome.ANSWERED, 0.5, 0.4 + UPLINK_SECONDS),
        (Outcome.ABANDONED, 0.5, 0.4 + UPLINK_SECONDS),
    ],
)
async def test_a_token_is_free_a_window_after_the_earlier_of_answered_and_sent_and_uplink(
    outcome: Outcome, call_seconds: float, free_at: float
) -> None:
    limiter = limiter_with(vouched("1/1s"))
    await limiter.acquire(PermitRequest("a"))
    await asyncio.sleep(0.4 + call_seconds)  # sent at 0.4
    await limiter.complete([Completion("a", outcome, 0.0, call_seconds)])
    await limiter.acquire(PermitRequest())
    assert now() == pytest.approx(free_at + WINDOW_SECONDS)


async def test_the_uplink_bounds_the_flight_of_a_permit_without_a_completion_too() -> None:
    limiter = limiter_with(vouched("1/1s"))
    await limiter.acquire(PermitRequest("a"))
    await limiter.acquire(PermitRequest())
    assert now() == pytest.approx(VALID_SECONDS + UPLINK_SECONDS + WINDOW_SECONDS)


async def test_a_run_without_an_uplink_ends_the_credit() -> None:
    limiter = limiter_with(vouched("1/1s"))
    agreed = await limiter.attach("strict", account("1/1s"))
    assert agreed.uplink_seconds is None
    await limiter.acquire(PermitRequest("a"))
    await asyncio.sleep(0.9)
    await limiter.complete([Completion("a", Outcome.ANSWERED, 0.0, 0.9)])
    await limiter.acquire(PermitRequest())
    assert now() == pytest.approx(0.9 + WINDOW_SECONDS)


async def run(network: Network, uplink_seconds: float | None, *limits: str) -> float:
    """300 requests of 24 workers, the limiter behind a line; the seconds they took."""
    limiter = limiter_with(vouched(*limits, uplink_seconds=uplink_seconds))
    seconds = await network.requests(client_of(RemoteCalls(limiter)), 300, workers=24)
    await limiter.shutdown()
    return seconds


@pytest.mark.parametrize("seed", range(4))
async def test_a_true_uplink_keeps_every_limit(seed: int) -> None:
    network = SlowAnswers(seed, freezes=True)
    await run(network, UPLINK_SECONDS, "15/1s", "60w/4s")
    assert network.violations("15/1s", "60w/4s") == 0
    assert network.abandoned > 0


async def test_an_uplink_hides_how_slow_the_answers_are() -> None:
    vouched_for, not_vouched_for = SlowAnswers(one_way_seconds=0.4), SlowAnswers(one_way_seconds=0.4)
    assert await run(vouched_for, UPLINK_SECONDS, "15/1s") < 0.9 * await run(not_vouched_for, None, "15/1s")
    assert vouched_for.violations("15/1s") == 0


async def test_an_uplink_that_is_too_short_is_caught_so_the_smallest_round_trip_may_never_stand_in() -> None:
    network = Network(seed=3)
    limiter = limiter_with(vouched("15/1s", uplink_seconds=0.001))
    await network.requests(client_of(limiter), 600, workers=40)
    assert network.violations("15/1s") > 0
