"""Several jobs on one account, compared by what each gets, in virtual time over a network."""

from __future__ import annotations

import asyncio

import pytest

from actors.limiter.shaper import PermitShaper
from actors.rate_limiter import RateLimiter
from domain.limits.messages import PermitRequest, Priority
from domain.limits.rates import RateLimit, ideal_makespan_seconds
from tests.unit.limiter.limiter_bench import Network, ask_until_granted, client_of, limiter_of, now, used_up

ONE_WAY_SECONDS = 0.025
BACKFILL_SYMBOLS = 5000
BACKFILL, SMALL = Priority.BULK, Priority.INTERACTIVE


class Jobs:
    """Jobs of several workers each on one limiter; the tokens that each was answered are counted as it goes."""

    def __init__(self, limiter: RateLimiter) -> None:
        self.limiter = limiter
        self.network = Network(one_way_seconds=ONE_WAY_SECONDS)
        self.tokens: dict[str, int] = {}

    async def run(
        self, job_id: str, symbols: int, priority: Priority, pages: int = 3, workers: int = 2, weight: int = 1
    ) -> float:
        """As many workers with 8 symbols in flight each, pages one after the other; returns the seconds it took."""
        began, ahead = now(), iter(range(symbols))
        clients = [client_of(self.limiter).bound_to(job_id, priority) for _ in range(workers)]
        self.tokens[job_id] = 0

        async def slot(number: int) -> None:
            for _ in ahead:
                for _ in range(pages):
                    await self.network.request(clients[number % workers], weight)
                    self.tokens[job_id] += weight

        await asyncio.gather(*(slot(number) for number in range(8 * workers)))
        return now() - began

    def start(self, job_id: str, priority: Priority, weight: int = 1, workers: int = 4) -> asyncio.Task[float]:
        run = self.run(job_id, BACKFILL_SYMBOLS, priority, workers=workers, weight=weight)
        return asyncio.create_task(run)

    async def tokens_in(self, seconds: float) -> dict[str, int]:
        before = dict(self.tokens)
        await asyncio.sleep(seconds)
        return {job_id: tokens - before[job_id] for job_id, tokens in self.tokens.items()}


@pytest.mark.parametrize("pages", [1, 3, 10, 40])
@pytest.mark.parametrize("backfills", [1, 5])
async def test_20_symbols_beside_backfills_of_5000_take_no_more_than_115_percent_of_their_ideal_and_two_windows(
    backfills: int, pages: int
) -> None:
    jobs = Jobs(limiter_of("15/1s"))
    running = [jobs.start(f"backfill {number}", BACKFILL) for number in range(backfills)]
    await asyncio.sleep(20)
    seconds = await jobs.run("small", 20, SMALL, pages)
    ideal_seconds = ideal_makespan_seconds(20 * pages, RateLimit.parse("15/1s"), 2 * ONE_WAY_SECONDS)
    assert seconds < 1.15 * ideal_seconds + 2
    assert not any(task.done() for task in running)
    assert jobs.network.violations("15/1s") == 0


async def test_20_symbols_of_no_priority_get_an_equal_part_beside_a_backfill() -> None:
    jobs = Jobs(limiter_of("15/1s"))
    jobs.start("backfill", BACKFILL)
    await asyncio.sleep(20)
    seconds = await jobs.run("small", 20, BACKFILL, pages=10)
    ideal_seconds = ideal_makespan_seconds(20 * 10, RateLimit.parse("15/1s"), 2 * ONE_WAY_SECONDS)
    assert seconds < 2.2 * ideal_seconds + 2


async def test_a_backfill_keeps_its_5_percent_beside_many_who_are_in_a_hurry() -> None:
    jobs = Jobs(limiter_of("15/1s"))
    jobs.start("backfill", BACKFILL, workers=1)
    for number in range(4):
        jobs.start(f"hurry {number}", SMALL)
    await asyncio.sleep(5)
    tokens = await jobs.tokens_in(200)
    assert 0.04 < tokens["backfill"] / sum(tokens.values()) < 0.06
    for number in range(4):
        assert tokens[f"hurry {number}"] / sum(tokens.values()) == pytest.approx(0.95 / 4, rel=0.05)


async def test_jobs_of_one_priority_get_equal_tokens_under_several_windows_whatever_their_requests_weigh() -> None:
    limits = ("10/1s", "60w/2s", "200w/10s")
    jobs = Jobs(limiter_of(*limits))
    jobs.start("light", BACKFILL, weight=1)
    jobs.start("middling", BACKFILL, weight=2)
    jobs.start("heavy", BACKFILL, weight=12)
    await asyncio.sleep(30)
    tokens = await jobs.tokens_in(400)
    for share in tokens.values():
        assert share / sum(tokens.values()) == pytest.approx(1 / 3, abs=0.03)
    assert jobs.network.violations(*limits) == 0


async def test_sharing_costs_less_than_one_percent_of_the_throughput(monkeypatch: pytest.MonkeyPatch) -> None:
    async def throughput() -> int:
        jobs = Jobs(limiter_of("15/1s"))
        jobs.start("one", BACKFILL)
        jobs.start("other", BACKFILL)
        await asyncio.sleep(5)
        return sum((await jobs.tokens_in(200)).values())

    shaped = await throughput()
    monkeypatch.setattr(PermitShaper, "is_ready", lambda *_: True)
    assert shaped > 0.99 * await throughput()


async def test_a_waiter_that_was_cancelled_or_died_costs_its_job_no_turn_and_nobody_a_token() -> None:
    limiter, order = limiter_of("1/1s"), []
    await used_up(limiter, 1)
    asked = [PermitRequest(ticket, job_id="a") for ticket in ("cancelled", "dead")]
    calls = [asyncio.create_task(limiter.acquire(request)) for request in asked]
    await asyncio.sleep(0.001)
    calls[0].cancel()
    async with asyncio.TaskGroup() as group:
        for ticket in ("a1", "b1", "a2", "b2"):
            group.create_task(ask_until_granted(limiter, ticket, order, job_id=ticket[0]))
    assert sorted(order[:2]) == ["a1", "b1"]
    assert (await limiter.status()).granted == 5
