from __future__ import annotations

import asyncio
import time

import pytest

from actors.limiter.queue import PermitQueue
from actors.rate_limiter import RateLimiter
from adapters.in_memory.permits import InMemoryOperatorPause, InMemoryPermitRecord, PermitMemory
from domain.errors import LimiterUnavailable, PermitImpossible
from domain.limits.ledger import GrantedPermit
from domain.limits.messages import PermitRequest
from tests.unit.limiter.limiter_bench import (
    FLIGHT_SECONDS,
    WINDOW_SECONDS,
    account,
    answered,
    ask_until_granted,
    granted_of,
    limiter_of,
    now,
    start,
    used_up,
)

# Pause, resume, shutdown.


async def test_a_paused_limiter_grants_nothing_and_keeps_the_places() -> None:
    limiter, order = limiter_of("15/1s"), []
    await limiter.pause()
    tasks = [asyncio.create_task(ask_until_granted(limiter, ticket, order)) for ticket in "abc"]
    await asyncio.sleep(30)
    assert order == []
    assert (await limiter.status()).paused
    await limiter.resume()
    await asyncio.gather(*tasks)
    assert order == list("abc")


async def test_a_limiter_that_begins_on_a_paused_account_grants_nothing_until_resumed() -> None:
    clock = asyncio.get_running_loop().time
    limiter = RateLimiter(account("15/1s"), InMemoryPermitRecord, clock=clock, is_paused=lambda: True)
    call = asyncio.create_task(limiter.acquire(PermitRequest()))
    await asyncio.sleep(30)
    assert (call.done(), (await limiter.status()).paused) == (False, True)
    await limiter.resume(number=time.time_ns())
    assert await call is not None


async def test_an_order_given_before_the_account_is_held_is_not_lost() -> None:
    clock, switch = asyncio.get_running_loop().time, InMemoryOperatorPause()
    limiter = RateLimiter(account("15/1s"), InMemoryPermitRecord, clock=clock, is_paused=switch.is_paused)
    switch.pause()
    assert await limiter.acquire(PermitRequest("one")) is None
    switch.pause()
    restarted = RateLimiter(account("15/1s"), InMemoryPermitRecord, clock=clock, is_paused=switch.is_paused)
    switch.resume()
    assert await restarted.acquire(PermitRequest("two")) is not None


async def test_a_pause_that_arrives_after_a_later_resume_is_ignored() -> None:
    limiter = limiter_of("15/1s")
    await limiter.resume(number=2)
    await limiter.pause(number=1)
    assert await limiter.acquire(PermitRequest("a")) is not None


async def test_a_pause_while_the_dispatcher_waits_holds_back_what_it_waited_for() -> None:
    limiter = limiter_of("1/1s")
    await limiter.complete(answered(await used_up(limiter, 1)))
    call = asyncio.create_task(limiter.acquire(PermitRequest()))
    await start(call)
    await limiter.pause()
    await asyncio.sleep(60)
    assert not call.done()
    await limiter.resume()
    assert await call is not None


async def test_a_shutdown_refuses_everybody_and_lets_go_of_the_account() -> None:
    memory = PermitMemory()
    limiter = limiter_of("1/60s", memory=memory)
    await used_up(limiter, 1)
    waiting = [asyncio.create_task(limiter.acquire(PermitRequest(ticket))) for ticket in ("a", "b")]
    waiting.append(asyncio.create_task(limiter.acquire(PermitRequest())))
    await start(*waiting)
    await limiter.shutdown()
    await limiter.shutdown()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [str(each) for each in results] == ["RateLimiter(binance, default) is shut down"] * 3
    for call in (
        limiter.acquire(PermitRequest()),
        limiter.complete([]),
        limiter.cool_down(1, "429"),
        limiter.attach("strict", account("1/1s")),
    ):
        with pytest.raises(LimiterUnavailable):
            await call
    assert memory.owners.find("binance", "default") is None


async def test_a_shutdown_of_a_paused_limiter_refuses_those_who_wait() -> None:
    limiter = limiter_of("15/1s")
    await limiter.pause()
    call = asyncio.create_task(limiter.acquire(PermitRequest("a")))
    await start(call)
    await limiter.shutdown()
    with pytest.raises(LimiterUnavailable):
        await call


async def test_an_account_in_use_is_refused_until_it_is_free() -> None:
    memory = PermitMemory()
    first, second = limiter_of("15/1s", memory=memory), limiter_of("15/1s", memory=memory)
    assert await first.acquire(PermitRequest()) is not None
    with pytest.raises(LimiterUnavailable, match="in use by"):
        await second.acquire(PermitRequest())
    await first.shutdown()
    assert await second.acquire(PermitRequest()) is not None


# Cooldowns.


async def test_a_cooldown_stops_everybody_for_the_time_the_broker_asks_and_ends_by_itself() -> None:
    limiter = limiter_of("15/1s")
    call = asyncio.create_task(limiter.acquire(PermitRequest()))
    assert await call is not None
    assert await limiter.cool_down(30.0, "HTTP 429") == 30.0
    status = await limiter.status()
    assert (status.cooldown_seconds, status.cooldown_reason) == (30.0, "HTTP 429")
    assert await limiter.acquire(PermitRequest()) is not None
    assert now() == pytest.approx(30.0)


async def test_cooldowns_without_a_time_double_in_a_row() -> None:
    limiter = limiter_of("15/1s", "1000/60s")
    lengths = []
    for _ in range(5):
        lengths.append(await limiter.cool_down(None, "HTTP 429"))
        await limiter.acquire(PermitRequest())
    assert lengths == pytest.approx([1, 2, 4, 8, 16])


async def test_several_refusals_of_one_burst_double_nothing() -> None:
    limiter = limiter_of("15/1s")
    for _ in range(10):
        assert await limiter.cool_down(None, "HTTP 429") == pytest.approx(1)
    await asyncio.sleep(1.1)
    assert await limiter.cool_down(None, "HTTP 429") == pytest.approx(2)


async def test_a_refusal_long_after_a_cooldown_starts_a_new_row() -> None:
    limiter = limiter_of("15/1s")
    await limiter.cool_down(None, "HTTP 429")
    await asyncio.sleep(1 + FLIGHT_SECONDS + 0.1)
    assert await limiter.cool_down(None, "HTTP 429") == pytest.approx(1)


async def test_an_answer_to_the_refused_request_ends_no_row() -> None:
    limiter = limiter_of("15/1s")
    lengths = []
    for _ in range(3):
        grant = await limiter.acquire(PermitRequest())
        assert grant is not None
        await limiter.complete(
            answered([grant.permit_ids[0]])
        )  # the 429 itself is an answer, and its word may come first
        lengths.append(await limiter.cool_down(None, "HTTP 429"))
    assert lengths == pytest.approx([1, 2, 4])


async def test_a_shorter_cooldown_shortens_nothing() -> None:
    limiter = limiter_of("15/1s")
    await limiter.cool_down(60.0, "HTTP 418")
    assert await limiter.cool_down(1.0, "HTTP 429") == 60.0


# Several runs, one after the other or at once.


async def test_agreeing_takes_the_stricter_of_both_and_keeps_what_was_counted() -> None:
    limiter = limiter_of("15/1s")
    await used_up(limiter, 10)
    agreed = await limiter.attach("strict", account("12/1s", "500/60s"))
    assert {str(limit) for limit in agreed.limits} == {"12/1s", "500/60s"}
    assert [each.counted for each in (await limiter.status()).windows] == [10, 10]
    assert await limiter.attach("loose", account("100/1s")) == agreed
    granted = [await limiter.acquire(PermitRequest(f"more {number}")) for number in range(3)]
    assert [grant is not None for grant in granted] == [True, True, False]


async def test_agreeing_refuses_those_who_wait_for_what_has_become_impossible() -> None:
    limiter = limiter_of("100w/1s")
    await limiter.pause()
    heavy = asyncio.create_task(limiter.acquire(PermitRequest(tokens=80, ticket="heavy")))
    light = asyncio.create_task(limiter.acquire(PermitRequest(tokens=2, ticket="light")))
    await start(heavy, light)
    await limiter.attach("strict", account("50w/1s"))
    with pytest.raises(PermitImpossible, match="80 tokens can never be granted under the limit 50w/1s"):
        await heavy
    await limiter.resume()
    assert await light is not None


async def test_a_restarted_limiter_keeps_to_what_was_agreed_and_a_new_run_does_not() -> None:
    memory = PermitMemory()
    first = limiter_of("15/1s", memory=memory)
    await first.attach("strict", account("5/1s"))
    await first.shutdown()
    restarted = limiter_of("15/1s", memory=memory)
    assert len(await used_up(restarted, 6)) == 5
    await restarted.shutdown()
    other = limiter_of("15/1s", memory=memory, session="two")
    await other.complete([])
    assert [each.limit for each in (await other.status()).windows] == ["15/1s"]


async def test_a_successor_counts_what_was_granted_and_keeps_the_cooldown() -> None:
    memory = PermitMemory()
    first = limiter_of("3/60s", memory=memory)
    granted = await used_up(first, 3)
    await first.complete(answered(granted[:1]))
    await first.cool_down(5.0, "HTTP 429")
    memory.kill_holder()
    successor = limiter_of("3/60s", memory=memory)
    again = await successor.acquire(PermitRequest(granted[1]))
    assert again is not None
    assert again.permit_ids[0] == granted[1], "a ticket granted by the first is not granted twice"
    status = await successor.status()
    assert (status.windows[0].counted, status.cooldown_seconds) == (3, pytest.approx(5.0))


async def test_where_the_record_cannot_tell_a_window_and_the_longest_flight_are_waited_out() -> None:
    limiter = limiter_of("15/1s", memory=PermitMemory(complete_since=FLIGHT_SECONDS))
    assert await limiter.acquire(PermitRequest()) is not None
    assert now() == pytest.approx(FLIGHT_SECONDS + WINDOW_SECONDS)


# A record that cannot be written.


async def test_what_cannot_be_noted_is_not_granted_and_not_counted() -> None:
    memory = PermitMemory()
    limiter = limiter_of("15/1s", memory=memory)
    [used] = await used_up(limiter, 1)
    memory.is_full = True
    for call in (
        limiter.acquire(PermitRequest()),
        limiter.acquire(PermitRequest("a")),
        limiter.complete(answered([used])),
        limiter.cool_down(1, "429"),
    ):
        with pytest.raises(LimiterUnavailable, match="no permit is granted without its record"):
            await call
    memory.is_full = False
    await asyncio.sleep(2)
    assert await limiter.acquire(PermitRequest("a")) is not None, "it goes on as soon as there is room"
    assert (await limiter.status()).windows[0].counted == 1
    assert await granted_of(limiter) == 2


async def test_nobody_waits_for_a_dispatcher_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    reports: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context["exception"]))
    limiter = limiter_of("15/1s")
    with monkeypatch.context() as broken:
        broken.setattr(PermitQueue, "serve", _fail)
        with pytest.raises(LimiterUnavailable, match="the rate limiter failed"):
            await limiter.acquire(PermitRequest("a"))
    assert isinstance(reports[0], ZeroDivisionError)
    assert await limiter.acquire(PermitRequest("b")) is not None


def _fail(_queue: PermitQueue, _waiting: object, _permit: GrantedPermit) -> None:
    raise ZeroDivisionError
