from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from actors.permit_queue import RETURN_SECONDS, PermitQueue, Waiting
from domain.errors import LimiterUnavailable
from domain.permits import LentPermit

PATIENCE_SECONDS = 5.0


@pytest.fixture
async def queue() -> PermitQueue:
    return PermitQueue(asyncio.get_running_loop().time, PATIENCE_SECONDS)


def serve_all(queue: PermitQueue) -> list[str]:
    order = []
    while head := queue.head():
        order.append(head.ticket)
        queue.serve(head, LentPermit(head.ticket, head.tokens, 0.0, 1.0))
    return order


def everybody(error: Exception) -> Callable[[Waiting], Exception]:
    return lambda _: error


async def test_inside_a_job_it_is_first_come_first_served(queue: PermitQueue) -> None:
    for ticket in "abcd":
        queue.join(ticket, "job", 1)
    assert serve_all(queue) == list("abcd")
    assert len(queue) == 0


async def test_jobs_take_turns_however_many_wait_for_each(queue: PermitQueue) -> None:
    for ticket in ("a1", "a2", "a3", "a4", "b1", "c1", "c2"):
        queue.join(ticket, ticket[0], 1)
    assert serve_all(queue) == ["a1", "b1", "c1", "a2", "c2", "a3", "a4"]


async def test_a_ticket_asked_again_keeps_its_place(queue: PermitQueue) -> None:
    first = queue.join("first", "job", 1)
    queue.join("second", "job", 1)
    queue.leave(first, comes_back=True)
    await asyncio.sleep(1)
    assert queue.join("first", "job", 1) is first
    assert serve_all(queue) == ["first", "second"]


async def test_whoever_is_about_to_come_back_is_not_overtaken(queue: PermitQueue) -> None:
    heavy = queue.join("heavy", "job", 100)
    queue.join("light", "job", 1)
    queue.leave(heavy, comes_back=True)
    assert queue.head() is heavy
    await asyncio.sleep(RETURN_SECONDS + 0.001)
    assert serve_all(queue) == ["light"], "but not waited for, either"


async def test_a_place_nobody_attends_is_skipped_at_once_when_its_caller_went_away(queue: PermitQueue) -> None:
    gone = queue.join("gone", "job", 1)
    queue.join("here", "job", 1)
    queue.leave(gone, comes_back=False)
    assert serve_all(queue) == ["here"]


async def test_a_place_attended_by_two_calls_is_kept_by_either(queue: PermitQueue) -> None:
    place = queue.join("a", "job", 1)
    queue.join("a", "job", 1)
    queue.leave(place, comes_back=False)
    assert queue.head() is place


async def test_a_deserted_place_is_given_up_after_a_while(queue: PermitQueue) -> None:
    deserted = queue.join("deserted", "job", 1)
    queue.leave(deserted, comes_back=True)
    await asyncio.sleep(PATIENCE_SECONDS - 0.1)
    queue.head()
    assert len(queue) == 1
    await asyncio.sleep(0.2)
    queue.head()
    assert len(queue) == 0


async def test_a_ticket_given_back_is_answered_with_none(queue: PermitQueue) -> None:
    place = queue.join("a", "job", 1)
    queue.give_back("a")
    assert place.answer.result() is None
    assert queue.head() is None
    queue.leave(place, comes_back=False)
    assert len(queue) == 0


async def test_a_call_overtaken_by_the_return_of_its_ticket_takes_no_place(queue: PermitQueue) -> None:
    queue.give_back("a")
    place = queue.join("a", "job", 1)
    assert place.answer.result() is None
    assert len(queue) == 0
    queue.leave(place, comes_back=False)
    await asyncio.sleep(PATIENCE_SECONDS + 1)
    queue.give_back("b")
    queue.join("a", "job", 1)
    assert serve_all(queue) == ["a"], "remembered for a while only"


async def test_those_refused_get_the_error_and_the_others_keep_their_places(queue: PermitQueue) -> None:
    heavy, light, gone = (queue.join(ticket, "job", tokens) for ticket, tokens in (("h", 9), ("l", 1), ("g", 9)))
    queue.leave(gone, comes_back=False)
    queue.refuse(lambda place: LimiterUnavailable("no more") if place.tokens > 5 else None)
    assert isinstance(heavy.answer.exception(), LimiterUnavailable)
    assert not light.answer.done()
    assert not gone.answer.done(), "nobody is there to take the error"
    assert serve_all(queue) == ["l"]


async def test_a_served_place_that_was_left_has_somebody_s_permit_and_is_gone(queue: PermitQueue) -> None:
    place = queue.join("a", "job", 1)
    queue.leave(place, comes_back=True)
    assert serve_all(queue) == ["a"]
    queue.refuse(everybody(LimiterUnavailable("shut down")))
    assert place.answer.result() == LentPermit("a", 1, 0.0, 1.0)
