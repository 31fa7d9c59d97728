from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from actors.collecting.permit_line import PermitLine
from domain.errors import LimiterUnavailable

MOST = 10
SPARE_SECONDS = 0.05
ROUND_TRIP_SECONDS = 0.01


@dataclass
class Ticked:
    """A permit with a number."""

    number: int
    usable_until: float = float("inf")


@dataclass
class Source:
    """Grants permit bundles a round trip later, as many as asked unless `at_most` says less; notes what it is asked."""

    asked: list[int] = field(default_factory=list)
    cancelled: int = 0
    returned: list[int] = field(default_factory=list)
    at_most: int = MOST
    valid_seconds: float = float("inf")
    errors: list[Exception] = field(default_factory=list)
    made: int = 0

    async def take_bundle(self, permits: int) -> list[Ticked]:
        self.asked.append(permits)
        try:
            await asyncio.sleep(ROUND_TRIP_SECONDS)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.errors:
            raise self.errors.pop(0)
        numbers = range(self.made, self.made + min(permits, self.at_most))
        self.made = numbers.stop
        return [Ticked(number, now() + self.valid_seconds) for number in numbers]

    def give_back(self, permits: Sequence[Ticked]) -> None:
        self.returned += [permit.number for permit in permits]


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
async def line(source: Source) -> PermitLine[Ticked]:
    return PermitLine(MOST, SPARE_SECONDS, source.take_bundle, source.give_back, now)


async def take(line: PermitLine[Ticked], count: int) -> list[int]:
    permits = await asyncio.gather(*(line.take() for _ in range(count)))
    return [permit.number for permit in permits]


async def test_those_who_begin_to_wait_together_are_asked_for_in_one_call(
    line: PermitLine[Ticked], source: Source
) -> None:
    assert await take(line, 7) == list(range(7))
    assert source.asked == [7]


async def test_a_call_takes_no_more_than_a_bundle_may_hold_and_full_ones_are_sent_at_once(
    line: PermitLine[Ticked], source: Source
) -> None:
    assert await take(line, 35) == list(range(35))
    assert source.asked[:3] == [10, 10, 10]


async def test_permits_go_to_those_who_wait_in_the_order_they_came(line: PermitLine[Ticked], source: Source) -> None:
    source.at_most = 3
    order: list[int] = []

    async def one(number: int) -> None:
        await line.take()
        order.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(one(number))
            await asyncio.sleep(0.001)
    assert order == list(range(20))


async def test_two_calls_are_under_way_while_anybody_waits_so_that_the_job_keeps_its_turn(
    line: PermitLine[Ticked], source: Source
) -> None:
    tasks = []
    for _ in range(4):
        tasks.append(asyncio.create_task(line.take()))
        await asyncio.sleep(0.001)
    assert source.asked == [1, 1]
    await asyncio.gather(*tasks)
    assert source.asked == [1, 1, 2]


async def test_a_quick_user_is_brought_as_many_as_it_used_lately_and_needs_no_call_for_the_next(
    line: PermitLine[Ticked], source: Source
) -> None:
    for _ in range(100):
        await line.take()
    assert len(source.asked) < 30
    assert max(source.asked) > 3
    await asyncio.sleep(2 * SPARE_SECONDS)
    assert 100 + len(source.returned) == source.made


async def test_a_slow_user_is_brought_one_at_a_time(line: PermitLine[Ticked], source: Source) -> None:
    for _ in range(20):
        await line.take()
        await asyncio.sleep(SPARE_SECONDS)
    assert source.asked == [1] * 20
    assert source.returned == []


async def test_what_nobody_uses_goes_back_soon(line: PermitLine[Ticked], source: Source) -> None:
    tasks = [asyncio.create_task(line.take()) for _ in range(5)]
    await asyncio.sleep(0.001)
    for task in tasks[1:]:
        task.cancel()
    assert (await tasks[0]).number == 0
    assert source.returned == []
    await asyncio.sleep(1.5 * SPARE_SECONDS)
    assert source.returned == [1, 2, 3, 4]
    await line.close()
    assert source.returned == [1, 2, 3, 4]


async def test_when_all_who_waited_have_gone_the_call_is_cancelled(line: PermitLine[Ticked], source: Source) -> None:
    tasks = [asyncio.create_task(line.take()) for _ in range(5)]
    await asyncio.sleep(0.001)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await asyncio.sleep(0.1)
    assert (source.cancelled, source.made) == (1, 0)
    assert await take(line, 1) == [0]


@pytest.mark.parametrize("turns", range(6))
async def test_no_permit_is_lost_on_a_waiter_that_is_cancelled_in_whatever_turn_of_the_loop(
    line: PermitLine[Ticked], source: Source, turns: int
) -> None:
    tasks = [asyncio.create_task(line.take()) for _ in range(2)]
    await asyncio.sleep(ROUND_TRIP_SECONDS)  # the permit bundle comes in this very turn
    for _ in range(turns):
        await asyncio.sleep(0)
    tasks[0].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(2 * SPARE_SECONDS)
    taken = [result.number for result in results if isinstance(result, Ticked)]
    assert sorted([*taken, *source.returned]) == list(range(source.made))
    assert len(taken) == 2 - tasks[0].cancelled()


async def test_a_call_that_fails_fails_for_those_it_was_for(line: PermitLine[Ticked], source: Source) -> None:
    source.errors = [LimiterUnavailable("shut down")]
    results = await asyncio.gather(*(line.take() for _ in range(12)), return_exceptions=True)
    assert [type(result) for result in results] == [LimiterUnavailable] * 10 + [Ticked] * 2


async def test_a_spare_permit_that_has_expired_is_given_back_and_not_handed_out(
    line: PermitLine[Ticked], source: Source
) -> None:
    source.valid_seconds = SPARE_SECONDS / 2
    tasks = [asyncio.create_task(line.take()) for _ in range(2)]
    await asyncio.sleep(0.001)
    tasks[1].cancel()
    await tasks[0]
    await asyncio.sleep(0.6 * SPARE_SECONDS)
    assert (await line.take()).number == 2
    assert source.returned == [1]


async def test_closing_gives_back_what_is_spare_and_cancels_what_is_asked(
    line: PermitLine[Ticked], source: Source
) -> None:
    tasks = [asyncio.create_task(line.take()) for _ in range(3)]
    await asyncio.sleep(0.001)
    tasks[2].cancel()
    await asyncio.wait(tasks)
    waiting = asyncio.create_task(line.take())
    waiting_too = asyncio.create_task(line.take())
    await asyncio.sleep(0.001)
    assert (await waiting).number == 2
    await line.close()
    assert source.cancelled == 1
    waiting_too.cancel()
