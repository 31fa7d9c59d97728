from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from actors.collecting.permit_client import PermitClient
from domain.errors import LimiterUnavailable, PermitExpired, PermitImpossible
from domain.limits.messages import Completion, Outcome, PermitBundle, PermitRequest, Priority
from domain.limits.permit_bundles import BundleTerms, permit_ids
from domain.limits.rates import Counts, RateLimit
from domain.limits.usage import BrokerUsage

VALID_SECONDS = 2.0
FLUSH_SECONDS = 0.5


class NotedCalls:
    """A limiter that grants at once, notes every call, and fails on request."""

    def __init__(self) -> None:
        self.asked: list[PermitRequest] = []
        self.completions: list[tuple[float, str, list[Completion]]] = []
        self.cooldowns: list[tuple[float | None, str]] = []
        self.answer_seconds = 0.0
        self.granted_after_seconds = 0.0
        self.nones = 0
        self.errors: list[Exception] = []

    async def acquire(self, request: PermitRequest, completions: Sequence[Completion] = ()) -> PermitBundle | None:
        assert request.ticket is not None
        self.asked.append(request)
        await self._transmit("acquire", completions)
        if self.nones:
            self.nones -= 1
            return None
        ids = tuple(permit_ids(request.ticket, request.permits))
        return PermitBundle(ids, request.tokens, self.granted_after_seconds, VALID_SECONDS)

    async def complete(self, completions: Sequence[Completion]) -> None:
        await self._transmit("settle", completions)

    async def cool_down(self, retry_after_seconds: float | None, reason: str) -> float:
        self.cooldowns.append((retry_after_seconds, reason))
        return retry_after_seconds or 1.0

    @property
    def outcomes(self) -> list[Outcome]:
        return [completion.outcome for _, _, completions in self.completions for completion in completions]

    async def _transmit(self, call: str, completions: Sequence[Completion]) -> None:
        if self.errors:
            raise self.errors.pop(0)
        await asyncio.sleep(self.answer_seconds)
        if completions:
            self.completions.append((now(), call, list(completions)))


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.fixture
def calls() -> NotedCalls:
    return NotedCalls()


@pytest.fixture
async def client(calls: NotedCalls) -> PermitClient:
    return PermitClient(calls, FLUSH_SECONDS, clock=asyncio.get_running_loop().time)


async def use(client: PermitClient, tokens: int = 1) -> None:
    async with client.acquire(tokens) as permit:
        permit.sent()
        permit.answered()


async def send_and_fail(client: PermitClient) -> None:
    async with client.acquire() as permit:
        permit.sent()
        raise ZeroDivisionError


async def send_late(client: PermitClient) -> None:
    async with client.acquire() as permit:
        await asyncio.sleep(VALID_SECONDS + 0.5)
        permit.sent()


async def test_each_context_takes_one_permit_of_its_weight_in_the_name_of_its_job(
    client: PermitClient, calls: NotedCalls
) -> None:
    async with client.bound_to("job 7", Priority.INTERACTIVE).acquire(5, pool="history") as permit:
        assert permit.tokens == 5
    async with client.acquire():
        pass
    assert [replace(request, ticket=None) for request in calls.asked] == [
        PermitRequest(tokens=5, job_id="job 7", priority=Priority.INTERACTIVE, pool="history"),
        PermitRequest(),
    ]
    assert len({request.ticket for request in calls.asked}) == 2


async def test_none_means_ask_again_with_the_same_ticket(client: PermitClient, calls: NotedCalls) -> None:
    calls.nones = 3
    await use(client)
    assert len(calls.asked) == 4
    assert len({request.ticket for request in calls.asked}) == 1


async def test_each_completion_tells_the_outcome_of_its_permit(client: PermitClient, calls: NotedCalls) -> None:
    async with client.acquire():
        pass
    await use(client)
    async with client.acquire() as permit:
        permit.sent()
    with pytest.raises(ZeroDivisionError):
        await send_and_fail(client)
    await client.close()
    assert calls.outcomes == [Outcome.UNUSED, Outcome.ANSWERED, Outcome.ABANDONED, Outcome.ABANDONED]


async def test_a_cancelled_request_is_abandoned(client: PermitClient, calls: NotedCalls) -> None:
    async def hang() -> None:
        async with client.acquire() as permit:
            permit.sent()
            await asyncio.sleep(3600)

    task = asyncio.create_task(hang())
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.sleep(FLUSH_SECONDS + 0.01)
    assert calls.outcomes == [Outcome.ABANDONED]


async def test_completions_are_sent_with_the_next_acquire_with_the_age_and_the_usage_of_each_answer(
    client: PermitClient, calls: NotedCalls
) -> None:
    usage = BrokerUsage(60.0, Counts.WEIGHT, used=40)
    async with client.acquire() as permit:
        await asyncio.sleep(0.3)  # a connection is made
        permit.sent()
        await asyncio.sleep(0.7)
        permit.answered([usage])
        await asyncio.sleep(0.2)  # the body is read
    await asyncio.sleep(0.1)
    await use(client)
    [(_, call, [completion])] = calls.completions
    assert call == "acquire"
    assert completion == Completion(
        calls.asked[0].ticket, Outcome.ANSWERED, pytest.approx(0.3), call_seconds=pytest.approx(0.7), usage=(usage,)
    )


async def test_completions_are_sent_alone_when_no_acquire_follows(client: PermitClient, calls: NotedCalls) -> None:
    await use(client)
    await use(client)
    await asyncio.sleep(0.1)
    assert len(calls.completions) == 1, "the first was sent with the second's acquire"
    await asyncio.sleep(FLUSH_SECONDS)
    assert [(at, call) for at, call, _ in calls.completions][1:] == [(pytest.approx(FLUSH_SECONDS), "settle")]


async def test_close_tells_what_is_still_to_be_told_even_while_a_flush_is_on_its_way(
    client: PermitClient, calls: NotedCalls
) -> None:
    await use(client)
    calls.answer_seconds = 0.3
    await asyncio.sleep(FLUSH_SECONDS + 0.1)
    assert calls.outcomes == [], "on its way"
    await client.close()
    assert calls.outcomes == [Outcome.ANSWERED]
    await client.close()
    assert len(calls.completions) == 1


async def test_a_failed_call_keeps_its_completions(client: PermitClient, calls: NotedCalls) -> None:
    await use(client)
    calls.errors = [PermitImpossible(9, "5w/1s")]
    with pytest.raises(PermitImpossible):
        await use(client, tokens=9)
    assert calls.outcomes == []
    await use(client)
    assert calls.outcomes == [Outcome.ANSWERED, Outcome.UNUSED], "and the ticket that failed is given back, to be sure"


async def test_a_cancelled_acquire_returns_its_ticket_and_keeps_its_completions(
    client: PermitClient, calls: NotedCalls
) -> None:
    await use(client)
    calls.answer_seconds = 0.3
    task = asyncio.create_task(use(client))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await client.close()
    [(_, _, completions)] = calls.completions
    assert [(each.permit_id, each.outcome) for each in completions] == [
        (calls.asked[0].ticket, Outcome.ANSWERED),
        (calls.asked[1].ticket, Outcome.UNUSED),
    ]


async def test_completions_for_a_limiter_that_is_shut_down_are_dropped(client: PermitClient, calls: NotedCalls) -> None:
    await use(client)
    calls.errors = [LimiterUnavailable("shut down")]
    await client.close()
    await client.close()
    assert calls.completions == []


async def test_a_permit_held_too_long_is_refused_right_before_the_write_and_goes_back_unused(
    client: PermitClient, calls: NotedCalls
) -> None:
    with pytest.raises(PermitExpired):
        await send_late(client)
    await client.close()
    assert calls.outcomes == [Outcome.UNUSED]


async def test_a_permit_is_good_to_its_last_moment(client: PermitClient) -> None:
    async with client.acquire() as permit:
        await asyncio.sleep(VALID_SECONDS - 0.001)
        permit.sent()


async def test_a_slow_answer_shortens_the_permit(client: PermitClient, calls: NotedCalls) -> None:
    calls.answer_seconds = VALID_SECONDS - 0.5
    async with client.acquire() as permit:
        await asyncio.sleep(0.6)
        with pytest.raises(PermitExpired) as refusal:
            permit.sent()
    assert refusal.value.late_by_seconds == pytest.approx(0.1)


@pytest.mark.parametrize(("granted_after_seconds", "travel_seconds"), [(0.0, 0.75), (0.5, 0.25), (-3.0, 0.75)])
async def test_a_permit_tells_how_long_asking_for_it_took_beyond_what_the_limiter_waited(
    client: PermitClient, calls: NotedCalls, granted_after_seconds: float, travel_seconds: float
) -> None:
    calls.answer_seconds, calls.granted_after_seconds, calls.nones = 0.75, granted_after_seconds, 2
    async with client.acquire() as permit:
        assert permit.travel_seconds == pytest.approx(travel_seconds, abs=1e-3)


async def test_a_permit_is_for_one_request(client: PermitClient) -> None:
    async with client.acquire() as permit:
        permit.sent()
        with pytest.raises(RuntimeError, match="one request on the wire"):
            permit.sent()


async def test_a_permit_that_was_given_back_cannot_be_used(client: PermitClient) -> None:
    async with client.acquire() as permit:
        pass
    with pytest.raises(RuntimeError, match="one request on the wire"):
        permit.sent()


async def test_no_answer_comes_before_its_request(client: PermitClient) -> None:
    async with client.acquire() as permit:
        with pytest.raises(RuntimeError, match="before it was sent"):
            permit.answered()


async def test_a_cooldown_is_passed_on(client: PermitClient, calls: NotedCalls) -> None:
    await client.bound_to("job").cool_down(30.0, "HTTP 429")
    await client.cool_down(None, "HTTP 418")
    assert calls.cooldowns == [(30.0, "HTTP 429"), (None, "HTTP 418")]


async def test_where_bundles_are_allowed_waiters_share_a_call_and_spare_permits_are_released_at_once(
    calls: NotedCalls,
) -> None:
    terms = BundleTerms((RateLimit.parse("1000/1s"),), spare_seconds=0.01)
    client = PermitClient(calls, FLUSH_SECONDS, clock=asyncio.get_running_loop().time, bundles=terms)
    calls.answer_seconds = 0.1
    users = [asyncio.create_task(use(client)) for _ in range(4)]
    await asyncio.sleep(0.05)
    users[3].cancel()
    await asyncio.wait(users)
    assert [request.permits for request in calls.asked] == [4]
    await asyncio.sleep(0.15)
    assert calls.outcomes == [Outcome.ANSWERED] * 3 + [Outcome.UNUSED]
    assert now() < FLUSH_SECONDS


async def test_a_refusal_gives_back_the_spare_permits_which_nobody_may_use_any_more(calls: NotedCalls) -> None:
    terms = BundleTerms((RateLimit.parse("1000/1s"),), spare_seconds=0.1)
    client = PermitClient(calls, FLUSH_SECONDS, clock=asyncio.get_running_loop().time, bundles=terms)
    calls.answer_seconds = 0.01
    users = [asyncio.create_task(use(client)) for _ in range(2)]
    await asyncio.sleep(0.005)
    users[1].cancel()
    await asyncio.wait(users)
    await client.cool_down(30.0, "HTTP 429")
    await use(client)
    assert [request.permits for request in calls.asked] == [2, 1], "the spare permit is not there any more"
    await client.close()
    assert calls.outcomes.count(Outcome.UNUSED) == 1
