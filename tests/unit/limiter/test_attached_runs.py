"""The limits in force are the strictest of the runs that are attached, and relax when those leave."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from actors.rate_limiter import RateLimiter
from adapters.in_memory.permit_log import InMemoryPermitLog, LoggedPermits
from adapters.in_memory.permits import InMemoryPermitRecord, PermitMemory
from domain.limits.attached_runs import SILENT_SECONDS, AttachedRuns
from domain.limits.audit import audit
from domain.limits.messages import Completion, Outcome, PermitRequest
from domain.limits.rates import AccountLimits
from tests.unit.limiter.limiter_bench import (
    ABANDONED_SECONDS,
    TIMEOUT_SECONDS,
    WINDOW_SECONDS,
    Network,
    account,
    client_of,
    limiter_of,
    now,
    used_up,
)

LOOSE, STRICT = account("15/1s"), account("5/1s", "20/60s")


async def in_force(limiter: RateLimiter) -> list[str]:
    return [window.limit for window in (await limiter.status()).windows]


async def attended(limiter: RateLimiter, seconds: float, **runs: AccountLimits) -> None:
    """So many seconds in which the coordinators of these runs do as they always do."""
    until = now() + seconds
    while now() < until:
        for run, limits in runs.items():
            await limiter.attend(run, limits)
        await asyncio.sleep(1)


async def test_limits_relax_when_the_strict_run_leaves() -> None:
    limiter = limiter_of("5/1s")
    await limiter.attach("loose", LOOSE)
    await limiter.attach("strict", STRICT)
    await attended(limiter, SILENT_SECONDS + 2, loose=LOOSE, strict=STRICT)
    assert await in_force(limiter) == ["5/1s", "20/60s"]
    await limiter.leave("strict")
    assert await in_force(limiter) == ["15/1s"]


async def test_what_was_granted_under_strict_limits_counts_under_the_loose_ones() -> None:
    limiter = limiter_of("15/1s")
    await limiter.attach("strict", STRICT)
    await used_up(limiter, 5)
    await limiter.leave("strict")
    assert [window.counted for window in (await limiter.status()).windows] == [5]
    assert len(await used_up(limiter, 16)) == 15, "ten more, and the five that keep their tickets"


async def test_whoever_waits_for_a_strict_window_is_served_when_it_goes() -> None:
    limiter = limiter_of("15/1s")
    await limiter.attach("strict", STRICT)
    await used_up(limiter, 5)
    waiting = asyncio.create_task(limiter.acquire(PermitRequest()))
    await asyncio.sleep(0.2)
    await limiter.leave("strict")
    assert await waiting is not None
    assert now() < 0.5


async def test_limits_relax_when_the_strict_run_was_killed() -> None:
    limiter = limiter_of("15/1s")
    await limiter.attach("strict", STRICT)
    await attended(limiter, SILENT_SECONDS - 1, loose=LOOSE)
    assert await in_force(limiter) == ["5/1s", "20/60s"]
    await attended(limiter, 3, loose=LOOSE)
    assert await in_force(limiter) == ["15/1s"]


async def test_a_run_whose_workers_ask_for_permits_is_there() -> None:
    limiter = limiter_of("15/1s")
    await limiter.attach("strict", STRICT)
    for _ in range(3):
        await attended(limiter, SILENT_SECONDS - 5, loose=LOOSE)
        await limiter.acquire(PermitRequest("again", job_id="strict"))
    assert await in_force(limiter) == ["5/1s", "20/60s"]


async def test_a_silent_run_that_asks_again_is_held_to_its_own_limits_at_once() -> None:
    limiter = limiter_of("15/1s")
    await limiter.attach("strict", STRICT)
    await attended(limiter, SILENT_SECONDS + 3, loose=LOOSE)
    asked = [await limiter.acquire(PermitRequest(str(number), job_id="strict")) for number in range(6)]
    assert [bundle is not None for bundle in asked] == [True] * 5 + [False]
    assert await in_force(limiter) == ["5/1s", "20/60s"]


def test_a_limiter_that_was_frozen_takes_nobody_for_gone_before_it_has_listened() -> None:
    runs = AttachedRuns(LOOSE, 0.0)
    runs.attach("strict", STRICT, 0.0)
    runs.attach("loose", LOOSE, 3600.0)
    assert runs.in_force() == LOOSE.stricter(STRICT), "the loose run was heard first after an hour of sleep"
    for second in range(20):
        runs.attach("loose", LOOSE, 3600.0 + second)
    assert runs.in_force() == LOOSE


def test_where_nobody_is_attached_the_last_limits_stay() -> None:
    runs = AttachedRuns(STRICT, 0.0)
    for second in range(60):
        runs.hear("nobody", second)
    assert runs.in_force() == STRICT
    runs.attach("loose", LOOSE, 60.0)
    assert runs.in_force() == LOOSE, "the next run brings its own"


async def test_a_restarted_limiter_keeps_to_what_was_in_force_until_everybody_had_the_time_to_be_heard() -> None:
    memory = PermitMemory()
    first = limiter_of("15/1s", memory=memory)
    await first.attach("strict", STRICT)
    memory.kill_holder()
    restarted = limiter_of("15/1s", memory=memory)
    await attended(restarted, SILENT_SECONDS - 1, loose=LOOSE)
    assert await in_force(restarted) == ["5/1s", "20/60s"]
    await attended(restarted, 3, loose=LOOSE)
    assert await in_force(restarted) == ["15/1s"]
    memory.kill_holder()
    again = limiter_of("5/1s", memory=memory)
    await again.complete([])
    assert await in_force(again) == ["15/1s"], "the run that began the limiter has left"


PATIENT = replace(account("15/1s"), timeout_seconds=100.0)


async def test_an_abandoned_request_of_a_run_that_has_left_counts_by_its_own_timeout() -> None:
    limiter = limiter_of("15/1s")
    await limiter.attach("patient", PATIENT)
    [used] = await used_up(limiter, 1)
    await asyncio.sleep(1)
    await limiter.leave("patient")
    # The job is over, and what its worker gave up is told after it.
    await attended(limiter, SILENT_SECONDS + 2, loose=LOOSE)
    await limiter.complete([Completion(used, Outcome.ABANDONED, call_seconds=now())])
    await asyncio.sleep(100 + ABANDONED_SECONDS + WINDOW_SECONDS - now() - 0.1)
    assert (await limiter.status()).windows[0].counted == 1
    await asyncio.sleep(0.2)
    assert (await limiter.status()).windows[0].counted == 0


async def test_a_request_whose_network_nobody_vouched_for_is_not_complete_by_the_word_of_who_stays() -> None:
    vouched = replace(LOOSE, uplink_seconds=0.1)
    limiter = RateLimiter(vouched, InMemoryPermitRecord, clock=now)
    await limiter.attach("unsure", LOOSE)
    [used] = await used_up(limiter, 1)
    await asyncio.sleep(0.9)
    await limiter.leave("unsure")
    assert (await limiter.attach("sure", vouched)).uplink_seconds == 0.1
    await limiter.complete([Completion(used, Outcome.ANSWERED, call_seconds=0.9)])
    await asyncio.sleep(0.6)
    assert (await limiter.status()).windows[0].counted == 1, "since its answer, not since it was sent"


@pytest.mark.parametrize("seed", range(3))
async def test_runs_that_come_and_go_on_a_jittery_network_break_no_window_that_is_in_force(seed: int) -> None:
    logged, network = LoggedPermits(), Network(seed, freezes=True)
    limiter = RateLimiter(account("15/1s"), InMemoryPermitRecord, clock=now, log=InMemoryPermitLog(logged))
    patient = replace(STRICT, timeout_seconds=2 * TIMEOUT_SECONDS)

    async def strict_run_again_and_again() -> None:
        for _ in range(6):
            await limiter.attach("strict", patient)
            await asyncio.sleep(2)
            await limiter.leave("strict")
            await asyncio.sleep(2)

    await limiter.attach("loose", LOOSE)
    permits = client_of(limiter).bound_to("loose")
    await asyncio.gather(network.requests(permits, count=200, workers=12), strict_run_again_and_again())
    assert network.violations("15/1s") == 0
    verdict = audit(logged.history(), "loose")
    assert verdict.is_proven
    assert {str(window.limit) for window in verdict.windows} == {"15/1s", "5/1s", "20/60s"}
