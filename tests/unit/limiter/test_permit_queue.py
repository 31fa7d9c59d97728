from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from actors.limiter.queue import RETURN_SECONDS, PermitQueue, ReturnedTickets, Waiting
from domain.errors import LimiterUnavailable
from domain.limits.ledger import GrantedPermit
from domain.limits.messages import PermitRequest, Priority

PATIENCE_SECONDS = 5.0


@pytest.fixture
async def returned() -> ReturnedTickets:
    return ReturnedTickets(asyncio.get_running_loop().time, PATIENCE_SECONDS)


@pytest.fixture
async def queue(returned: ReturnedTickets) -> PermitQueue:
    return PermitQueue(asyncio.get_running_loop().time, PATIENCE_SECONDS, returned)


def asked(tokens: int = 1, job_id: str = "job", priority: Priority = Priority.BULK) -> PermitRequest:
    return PermitRequest(tokens=tokens, job_id=job_id, priority=priority)


ONE = asked()


def granted(ticket: str, tokens: int = 1) -> GrantedPermit:
    return GrantedPermit(ticket, tokens, 0.0, 1.0)


def serve_all(queue: PermitQueue) -> list[str]:
    order = []
    while head := queue.head():
        order.append(head.ticket)
        queue.serve(head, (granted(head.ticket, head.request.tokens),))
    return order


def everybody(error: Exception) -> Callable[[Waiting], Exception]:
    return lambda _: error


async def test_inside_a_job_it_is_first_come_first_served(queue: PermitQueue) -> None:
    for ticket in "abcd":
        queue.join(ticket, ONE)
    assert serve_all(queue) == list("abcd")
    assert len(queue) == 0


async def test_jobs_take_turns_however_many_wait_for_each(queue: PermitQueue) -> None:
    for ticket in ("a1", "a2", "a3", "a4", "b1", "c1", "c2"):
        queue.join(ticket, asked(1, ticket[0]))
    assert serve_all(queue) == ["a1", "b1", "c1", "a2", "c2", "a3", "a4"]


async def test_jobs_of_one_priority_get_as_many_tokens_however_heavy_their_requests_are(queue: PermitQueue) -> None:
    for number in range(20):
        queue.join(f"heavy {number}", asked(5, "heavy"))
        queue.join(f"light {number}", asked(1, "light"))
    order = serve_all(queue)[:12]
    assert sum(ticket.startswith("light") for ticket in order) == 10
    assert sum(ticket.startswith("heavy") for ticket in order) == 2


async def test_an_interactive_job_gets_95_percent_beside_any_number_of_backfills(queue: PermitQueue) -> None:
    for number in range(200):
        queue.join(f"i{number}", asked(1, "i", Priority.INTERACTIVE))
        queue.join(f"b{number}", asked(1, f"bulk {number % 7}"))
    assert [(job.job_id, job.requests, job.share) for job in queue.jobs()][:2] == [
        ("i", 200, pytest.approx(0.95)),
        ("bulk 0", 29, pytest.approx(0.05 / 7)),
    ]
    first = serve_all(queue)[:100]
    assert sum(ticket.startswith("i") for ticket in first) == 95


async def test_a_bundle_costs_its_job_as_many_turns_as_it_has_permits(queue: PermitQueue) -> None:
    queue.join("bundle", PermitRequest(job_id="a", permits=3))
    queue.join("a", asked(1, "a"))
    for ticket in ("b1", "b2", "b3"):
        queue.join(ticket, asked(1, "b"))
    bundle = queue.head()
    assert bundle is not None
    queue.serve(bundle, tuple(map(granted, ("bundle.0", "bundle.1", "bundle.2"))))
    assert serve_all(queue) == ["b1", "b2", "b3", "a"]


async def test_a_job_that_nobody_attended_for_a_while_has_saved_up_nothing(queue: PermitQueue) -> None:
    for ticket in ("a1", "a2", "a3", "a4"):
        queue.leave(queue.join(ticket, asked(1, "a")), comes_back=False)
    for number in range(6):
        queue.join(f"b{number}", asked(1, "b"))
    for _ in range(3):
        head = queue.head()
        assert head is not None
        queue.serve(head, (granted(head.ticket),))
    for ticket in ("a1", "a2", "a3", "a4"):
        queue.join(ticket, asked(1, "a"))
    assert serve_all(queue) == ["a1", "a2", "b3", "a3", "b4", "a4", "b5"]


async def test_a_ticket_asked_again_keeps_its_place(queue: PermitQueue) -> None:
    first = queue.join("first", ONE)
    queue.join("second", ONE)
    queue.leave(first, comes_back=True)
    await asyncio.sleep(1)
    assert queue.join("first", ONE) is first
    assert serve_all(queue) == ["first", "second"]


async def test_whoever_is_about_to_come_back_is_not_overtaken(queue: PermitQueue) -> None:
    heavy = queue.join("heavy", asked(100))
    queue.join("light", ONE)
    queue.leave(heavy, comes_back=True)
    assert queue.head() is heavy
    await asyncio.sleep(RETURN_SECONDS + 0.001)
    assert serve_all(queue) == ["light"], "but not waited for, either"


async def test_a_place_nobody_attends_is_skipped_at_once_when_its_caller_went_away(queue: PermitQueue) -> None:
    gone = queue.join("gone", ONE)
    queue.join("here", ONE)
    queue.leave(gone, comes_back=False)
    assert serve_all(queue) == ["here"]


async def test_a_place_attended_by_two_calls_is_kept_by_either(queue: PermitQueue) -> None:
    place = queue.join("a", ONE)
    queue.join("a", ONE)
    queue.leave(place, comes_back=False)
    assert queue.head() is place


async def test_a_deserted_place_is_given_up_after_a_while(queue: PermitQueue) -> None:
    deserted = queue.join("deserted", ONE)
    queue.leave(deserted, comes_back=True)
    await asyncio.sleep(PATIENCE_SECONDS - 0.1)
    queue.head()
    assert len(queue) == 1
    await asyncio.sleep(0.2)
    queue.head()
    assert len(queue) == 0


async def test_a_ticket_given_back_is_answered_with_nothing(queue: PermitQueue) -> None:
    place = queue.join("a", ONE)
    queue.give_back("a")
    assert place.answer.result() == ()
    assert queue.head() is None
    queue.leave(place, comes_back=False)
    assert len(queue) == 0


async def test_a_call_that_arrives_after_the_return_of_its_ticket_takes_no_place(
    queue: PermitQueue, returned: ReturnedTickets
) -> None:
    returned.add("a")
    place = queue.join("a", ONE)
    assert place.answer.result() == ()
    assert len(queue) == 0
    queue.leave(place, comes_back=False)
    await asyncio.sleep(PATIENCE_SECONDS + 1)
    returned.add("b")
    queue.join("a", ONE)
    assert serve_all(queue) == ["a"], "remembered for a while only"


async def test_those_refused_get_the_error_and_the_others_keep_their_places(queue: PermitQueue) -> None:
    heavy, light, gone = (queue.join(ticket, asked(tokens)) for ticket, tokens in (("h", 9), ("l", 1), ("g", 9)))
    queue.leave(gone, comes_back=False)
    queue.refuse(lambda place: LimiterUnavailable("no more") if place.request.tokens > 5 else None)
    assert isinstance(heavy.answer.exception(), LimiterUnavailable)
    assert not light.answer.done()
    assert not gone.answer.done(), "nobody is there to take the error"
    assert serve_all(queue) == ["l"]


async def test_a_served_place_that_was_left_has_somebody_s_permit_and_is_gone(queue: PermitQueue) -> None:
    place = queue.join("a", ONE)
    queue.leave(place, comes_back=True)
    assert serve_all(queue) == ["a"]
    queue.refuse(everybody(LimiterUnavailable("shut down")))
    assert place.answer.result() == (granted("a"),)
