"""The laws of sharing, whatever comes: a limiter in virtual time, against requests that Hypothesis makes up."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.rate_limiter import RateLimiter
from domain.limits.messages import Completion, Outcome, PermitRequest, Priority
from tests.unit.limiter.limiter_bench import account, limiter_of
from tests.unit.virtual_time import VirtualTimeLoop

LOW = [("3/1s",), ("5/1s", "20/10s"), ("4/1s", "12w/2s")]
LIMITS = st.sampled_from([*LOW, ("2000/1s", "9000w/1s")])
CALL_SECONDS = 0.05


@dataclass(frozen=True)
class Asked:
    """One request made up: when, by which job, how heavy, for how many permits, and whether its caller goes away."""

    after_seconds: float
    job: int
    tokens: int
    permits: int
    goes_away: bool


ASKED = st.lists(
    st.builds(Asked, st.floats(0, 0.5), st.integers(0, 4), st.integers(1, 4), st.integers(1, 30), st.booleans()),
    min_size=5,
    max_size=40,
)


class Market:
    """Asks for everything on time, uses what it gets, and keeps the order of asking and of granting for each job."""

    def __init__(self, limiter: RateLimiter) -> None:
        self.limiter = limiter
        self.asked: dict[int, list[str]] = {job: [] for job in range(5)}
        self.granted: dict[int, list[str]] = {job: [] for job in range(5)}
        self.permits: Counter[str] = Counter()
        self.left: set[str] = set()

    async def visit(self, requests: list[Asked]) -> None:
        async with asyncio.TaskGroup() as group:
            for number, each in enumerate(requests):
                await asyncio.sleep(each.after_seconds)
                ticket = f"{number}"
                self.asked[each.job].append(ticket)
                task = group.create_task(self._one(ticket, each))
                if each.goes_away:
                    group.create_task(self._leave(ticket, task))

    async def _leave(self, ticket: str, task: asyncio.Task[None]) -> None:
        await asyncio.sleep(0.3)
        if task.cancel():
            self.left.add(ticket)
            await self.limiter.complete([Completion(ticket, Outcome.UNUSED)])

    async def _one(self, ticket: str, asked: Asked) -> None:
        priority = Priority.INTERACTIVE if asked.job < 2 else Priority.BULK
        request = PermitRequest(ticket, asked.tokens, f"job {asked.job}", priority, permits=asked.permits)
        bundle = None
        while bundle is None:
            bundle = await self.limiter.acquire(request)
        self.granted[asked.job].append(ticket)
        self.permits[ticket] = len(bundle.permit_ids)
        await asyncio.sleep(CALL_SECONDS)
        await self.limiter.complete([Completion(each, Outcome.ANSWERED) for each in bundle.permit_ids])


@given(limits=LIMITS, requests=ASKED)
@settings(max_examples=40, deadline=None)
def test_inside_a_job_everybody_who_stays_is_served_in_the_order_of_asking_and_who_leaves_takes_nothing(
    limits: tuple[str, ...], requests: list[Asked]
) -> None:
    async def scenario() -> None:
        market = Market(limiter_of(*limits))
        await market.visit(requests)
        for job, asked in market.asked.items():
            assert market.granted[job] == [ticket for ticket in asked if ticket in market.granted[job]]
            assert set(asked) - set(market.granted[job]) <= market.left, "nobody starves"
        await asyncio.sleep(1 + account(*limits).longest_flight_seconds + 60)
        status = await market.limiter.status()
        assert (status.waiting, [window.counted for window in status.windows]) == (0, [0] * len(limits))

    run(scenario())


@given(
    limits=st.sampled_from(LOW), weights=st.lists(st.integers(1, 4), min_size=2, max_size=4), interactive=st.booleans()
)
@settings(max_examples=40, deadline=None)
def test_jobs_that_wait_all_the_time_get_equal_tokens_under_any_windows_and_weights(
    limits: tuple[str, ...], weights: list[int], interactive: bool
) -> None:
    priority = Priority.INTERACTIVE if interactive else Priority.BULK

    async def scenario() -> None:
        limiter, tokens, tickets = limiter_of(*limits), Counter[int](), count()

        async def slot(job: int, weight: int) -> None:
            while True:
                request = PermitRequest(str(next(tickets)), weight, f"job {job}", priority)
                while (bundle := await limiter.acquire(request)) is None:
                    continue
                tokens[job] += weight
                await limiter.complete([Completion(bundle.permit_ids[0], Outcome.ANSWERED)])

        slots = [asyncio.create_task(slot(job, weight)) for job, weight in enumerate(weights) for _ in range(3)]
        await asyncio.sleep(15)
        for task in slots:
            task.cancel()
        # One largest serving of each is the law; a slot is away for a moment between two requests.
        assert max(tokens.values()) - min(tokens.values()) <= 3 * max(weights), tokens

    run(scenario())


def run(scenario: object) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(scenario)  # type: ignore[arg-type]
