from __future__ import annotations

import asyncio

import pytest

from actors.rate_limiter import CALL_SECONDS, PATIENCE_SECONDS
from domain.errors import LimiterUnavailable, PermitImpossible
from domain.limits.messages import Completion, Outcome, PermitBundle, PermitRequest
from tests.unit.limiter.limiter_bench import (
    ABANDONED_SECONDS,
    FLIGHT_SECONDS,
    TIMEOUT_SECONDS,
    VALID_SECONDS,
    WINDOW_SECONDS,
    answered,
    ask_until_granted,
    granted_of,
    limiter_of,
    now,
    start,
    used_up,
)

# Who is served when.


async def test_inside_a_job_it_is_first_come_first_served_although_everybody_asks_again_and_again() -> None:
    limiter, order = limiter_of("1/1s"), []
    async with asyncio.TaskGroup() as group:
        for ticket in "abcdefg":
            group.create_task(ask_until_granted(limiter, ticket, order))
            await asyncio.sleep(0.3)
    assert order == list("abcdefg")


async def test_jobs_take_turns() -> None:
    limiter, order = limiter_of("1/1s"), []
    async with asyncio.TaskGroup() as group:
        await used_up(limiter, 1)
        for ticket in ("a1", "a2", "a3", "b1", "b2"):
            group.create_task(ask_until_granted(limiter, ticket, order, job_id=ticket[0]))
    assert order == ["a1", "b1", "a2", "b2", "a3"]


async def test_a_ticket_asked_again_after_its_grant_gets_the_same_grant() -> None:
    limiter = limiter_of("15/1s")
    first = await limiter.acquire(PermitRequest("a"))
    await asyncio.sleep(0.5)
    again = await limiter.acquire(PermitRequest("a"))
    assert first == PermitBundle(("a",), 1, 0.0, VALID_SECONDS)
    assert again == PermitBundle(("a",), 1, pytest.approx(-0.5), VALID_SECONDS), "asking again makes no grant young"
    assert await granted_of(limiter) == 1


async def test_two_calls_with_one_ticket_share_one_permit() -> None:
    limiter = limiter_of("15/1s")
    first, second = await asyncio.gather(limiter.acquire(PermitRequest("a")), limiter.acquire(PermitRequest("a")))
    assert first == second
    assert await granted_of(limiter) == 1


async def test_a_call_with_a_ticket_is_answered_within_its_time_with_or_without_a_grant() -> None:
    limiter = limiter_of("1/60s")
    await used_up(limiter, 1)
    began = now()
    assert await limiter.acquire(PermitRequest("a")) is None
    assert now() - began == pytest.approx(CALL_SECONDS)


async def test_a_grant_that_crossed_with_the_end_of_the_call_is_there_when_the_ticket_is_asked_again() -> None:
    limiter = limiter_of("1/60s")
    [used] = await used_up(limiter, 1)
    call = asyncio.create_task(limiter.acquire(PermitRequest("a")))
    await asyncio.sleep(CALL_SECONDS)  # its time runs out in this very turn of the loop
    await limiter.complete([Completion(used, Outcome.UNUSED)])
    results = [await call]
    while results[-1] is None:
        results.append(await limiter.acquire(PermitRequest("a")))
    assert await granted_of(limiter) == 2
    assert (await limiter.status()).waiting == 0


async def test_a_caller_without_a_ticket_waits_as_long_as_it_takes() -> None:
    limiter = limiter_of("1/10s")
    await limiter.complete(answered(await used_up(limiter, 1)))
    began = now()
    assert await limiter.acquire(PermitRequest()) is not None
    assert now() - began == pytest.approx(10.011)


# Those who go away.


async def test_a_caller_that_went_away_takes_no_token_and_passes_on_what_was_shaped() -> None:
    limiter, order = limiter_of("1/1s"), []
    await limiter.complete(answered(await used_up(limiter, 1)))
    await asyncio.sleep(0.5)
    gone = asyncio.create_task(limiter.acquire(PermitRequest("gone")))
    await start(gone)
    stays = asyncio.create_task(ask_until_granted(limiter, "stays", order))
    await asyncio.sleep(0.5)  # what the head waits for has been shaped by now, the ledger is about to grant
    gone.cancel()
    await stays
    assert now() == pytest.approx(WINDOW_SECONDS, abs=0.001)
    assert await granted_of(limiter) == 2


async def test_a_cancelled_call_without_a_ticket_gives_back_what_it_was_just_granted() -> None:
    limiter = limiter_of("1/60s")
    [used] = await used_up(limiter, 1)
    call = asyncio.create_task(limiter.acquire(PermitRequest()))
    await start(call)
    await limiter.complete([Completion(used, Outcome.UNUSED)])
    for _ in range(3):
        await asyncio.sleep(0)
    assert (await granted_of(limiter), call.done()) == (2, False), "granted, and not yet on its way"
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await limiter.acquire(PermitRequest()) is not None, "nothing is lost"
    assert now() < 1


async def test_a_deserted_place_is_given_up() -> None:
    limiter = limiter_of("1/60s")
    await used_up(limiter, 1)
    assert await limiter.acquire(PermitRequest("deserted")) is None
    await asyncio.sleep(PATIENCE_SECONDS + 0.1)
    assert (await limiter.status()).waiting == 0


async def test_a_light_request_does_not_wait_for_the_shaping_of_a_heavy_one_that_went_away() -> None:
    limiter = limiter_of("60w/60s")
    await limiter.acquire(PermitRequest(tokens=30, ticket="used"))
    heavy = asyncio.create_task(limiter.acquire(PermitRequest(tokens=60)))
    await start(heavy)
    light = asyncio.create_task(limiter.acquire(PermitRequest(tokens=1)))
    await start(light)
    heavy.cancel()
    assert await light is not None
    assert now() < 1


async def test_a_ticket_given_back_before_its_own_call_arrives_takes_no_permit() -> None:
    limiter = limiter_of("15/1s")
    await limiter.complete([Completion("a", Outcome.UNUSED)])
    assert await limiter.acquire(PermitRequest("a")) is None
    assert await granted_of(limiter) == 0


# What becomes of permits.


async def test_a_permit_comes_back_one_window_after_its_answer_however_late_the_word_of_it() -> None:
    limiter = limiter_of("1/1s")
    used = await used_up(limiter, 1)
    await asyncio.sleep(0.8)
    assert await limiter.acquire(PermitRequest(), answered(used, seconds_ago=0.7)) is not None
    assert now() == pytest.approx(0.1 + WINDOW_SECONDS)


@pytest.mark.parametrize("call_seconds", [0.0, 0.01, TIMEOUT_SECONDS])
async def test_an_abandoned_request_counts_from_when_it_was_sent_however_soon_it_was_given_up(
    call_seconds: float,
) -> None:
    limiter = limiter_of("1/1s")
    used = await used_up(limiter, 1)
    await asyncio.sleep(0.1 + call_seconds + 0.2)
    await limiter.complete([Completion(each, Outcome.ABANDONED, 0.2, call_seconds) for each in used])
    assert await limiter.acquire(PermitRequest()) is not None
    assert now() == pytest.approx(0.1 + TIMEOUT_SECONDS + ABANDONED_SECONDS + WINDOW_SECONDS)


async def test_an_unused_permit_comes_back_at_once() -> None:
    limiter = limiter_of("1/60s")
    used = await used_up(limiter, 1)
    assert await limiter.acquire(PermitRequest(), [Completion(each, Outcome.UNUSED) for each in used]) is not None
    assert now() == pytest.approx(0, abs=1e-6)


async def test_a_permit_without_a_completion_lapses_at_its_bound() -> None:
    limiter = limiter_of("1/1s")
    await used_up(limiter, 1)
    assert await limiter.acquire(PermitRequest()) is not None
    assert now() == pytest.approx(FLIGHT_SECONDS + WINDOW_SECONDS)


async def test_status_tells_the_windows_the_queue_and_the_mean_call() -> None:
    limiter = limiter_of("2/1s", "100w/60s")
    used = await used_up(limiter, 2)
    await asyncio.sleep(0.5)
    await limiter.complete(answered(used[:1], seconds_ago=0.1))
    waiting = asyncio.create_task(limiter.acquire(PermitRequest(tokens=7, ticket="waits")))
    await start(waiting)
    status = await limiter.status()
    assert [(each.limit, each.amount, each.counted) for each in status.windows] == [
        ("2/1s", 2, 2),
        ("100w/60s", 100, 2),
    ]
    assert (status.waiting, status.granted, status.paused) == (1, 2, False)
    assert status.mean_call_seconds == pytest.approx(0.4)
    await limiter.shutdown()
    with pytest.raises(LimiterUnavailable):
        await waiting


async def test_a_call_waits_once_whatever_its_permit_weighs() -> None:
    limiter = limiter_of("10w/1s")
    await limiter.acquire(PermitRequest("first", tokens=10))
    await limiter.complete(answered(["first"]))
    assert await limiter.acquire(PermitRequest(tokens=10)) is not None
    assert (await limiter.status()).mean_wait_seconds == pytest.approx(WINDOW_SECONDS / 2, abs=0.001)


# Impossible requests.


async def test_what_no_window_holds_is_refused_at_once() -> None:
    limiter = limiter_of("15/1s", "100w/60s")
    assert await limiter.acquire(PermitRequest(tokens=100)) is not None
    with pytest.raises(PermitImpossible):
        await limiter.acquire(PermitRequest(tokens=101))
    with pytest.raises(ValueError, match="one token at least"):
        await limiter.acquire(PermitRequest(tokens=0))
    assert (await limiter.status()).waiting == 0
