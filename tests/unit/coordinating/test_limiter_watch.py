"""A run at its limiter: it attends every second while it goes on, and leaves when it has ended."""

from __future__ import annotations

import asyncio

import pytest

from actors.coordinating.limiter_watch import ANSWER_SECONDS, LimiterWatch
from domain.errors import LimiterUnavailable, StorageUnavailable
from domain.limits.cooldown_watch import Cooldown
from domain.limits.messages import LimiterStatus
from tests.unit.coordinating.coordinator_bench import CoordinatorBench
from tests.unit.limits.test_cooldown import STATUS


class Limiter:
    """Notes who attends; `down` calls are not answered."""

    def __init__(self, down: int = 0) -> None:
        self.down = down
        self.attended_at: list[float] = []
        self.left_at: list[float] = []

    async def attend(self) -> LimiterStatus:
        self.attended_at.append(asyncio.get_running_loop().time())
        if len(self.attended_at) <= self.down:
            raise LimiterUnavailable("the rate limiter has ended")
        return STATUS

    async def leave(self) -> None:
        self.left_at.append(asyncio.get_running_loop().time())
        if self.down:
            raise LimiterUnavailable("the rate limiter has ended")


def nobody(cooldown: Cooldown) -> None:
    raise AssertionError(cooldown)


async def test_a_run_attends_every_second_and_leaves_as_soon_as_it_has_ended() -> None:
    limiter, ended = Limiter(), asyncio.Event()
    watch = asyncio.create_task(LimiterWatch(limiter, nobody).follow(ended))
    await asyncio.sleep(2.5)
    ended.set()
    await watch
    assert limiter.attended_at == pytest.approx([0, 1, 2], abs=0.01)
    assert limiter.left_at == pytest.approx([2.5], abs=0.01), "nobody waits for the next second"


async def test_a_run_stays_attached_although_its_limiter_did_not_answer_once() -> None:
    limiter, ended = Limiter(down=2), asyncio.Event()
    watch = LimiterWatch(limiter, nobody)
    following = asyncio.create_task(watch.follow(ended))
    await asyncio.sleep(3.5)
    assert (len(limiter.attended_at), watch.status) == (4, STATUS)
    ended.set()
    await following


async def test_neither_silence_nor_any_of_our_errors_ends_the_watch() -> None:
    limiter, ended = Limiter(), asyncio.Event()
    answers = [asyncio.Event().wait, StorageUnavailable("/state", "the disk is full")]

    async def attend() -> LimiterStatus:
        if not answers:
            return STATUS
        answer = answers.pop(0)
        if isinstance(answer, StorageUnavailable):
            raise answer
        await answer()
        raise AssertionError("it never answers")

    limiter.attend = attend  # type: ignore[method-assign]
    watch = LimiterWatch(limiter, nobody)
    following = asyncio.create_task(watch.follow(ended))
    await asyncio.sleep(ANSWER_SECONDS + 3)
    assert (answers, watch.status) == ([], STATUS)
    ended.set()
    await following


async def test_a_job_that_ended_keeps_no_account_to_its_limits() -> None:
    bench = CoordinatorBench(symbols=2)
    await bench.coordinator.begin()
    await asyncio.sleep(0)
    assert bench.attending
    await bench.ended()
    await asyncio.sleep(0.01)
    assert not bench.attending
