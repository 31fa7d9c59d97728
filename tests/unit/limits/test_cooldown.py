"""A cooldown of the account: recorded once, visible, over by itself, and no symbol's failure."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from actors.cli.text.progress import progress_line
from actors.collecting.permit_client import PermitClient
from actors.rate_limiter import RateLimiter
from adapters.in_memory.permits import InMemoryPermitRecord
from adapters.job_store.journal import JobJournal
from domain.errors import BrokerThrottled, IllegalTransition
from domain.jobs.status import JobStatus
from domain.limits.cooldown_watch import CooldownWatch
from domain.limits.messages import LimiterStatus, WindowStatus
from tests.job_examples import NOW, REQUEST, pending, running
from tests.unit.coordinating.coordinator_bench import CoordinatorBench
from tests.unit.limiter.limiter_bench import account, now

STATUS = LimiterStatus("memory", "default", (), 0, False, 0.0, "", 0, 0.0, 0.05, "")
REASON = "memory: HTTP 429: too many requests"


class NotedMetrics:
    """Metrics that remember."""

    def __init__(self) -> None:
        self.cooldowns = 0
        self.cooldown_seconds: list[float] = []
        self.evidence_wait_seconds: list[float] = []
        self.windows: dict[str, tuple[int, int]] = {}

    def granted(self, tokens: int, waited_seconds: float) -> None:
        return

    def state(self, waiting: int, cooldown_seconds: float, evidence_wait_seconds: float) -> None:
        self.cooldown_seconds.append(cooldown_seconds)
        self.evidence_wait_seconds.append(evidence_wait_seconds)

    def cooled_down(self) -> None:
        self.cooldowns += 1

    def window(self, limit: str, counted: int, others: int) -> None:
        self.windows[limit] = (counted, others)


class CooldownBench(CoordinatorBench):
    """The bench with a real limiter, which the broker's refusals put into cooldown."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.metrics = NotedMetrics()
        self.real_limiter = RateLimiter(
            account("100/1s"), InMemoryPermitRecord, self.metrics, clock=asyncio.get_running_loop().time
        )
        self.limiter = PermitClient(self.real_limiter, clock=asyncio.get_running_loop().time)  # type: ignore[assignment]

    async def attend(self) -> LimiterStatus:
        return await self.real_limiter.attend(self.job_id, account("100/1s"))

    async def leave(self) -> None:
        await self.real_limiter.leave(self.job_id)

    def cooldowns(self) -> list[dict[str, Any]]:
        entries = self.store.history(self.job_id)
        return [{"reason": one.reason, **one.details} for one in entries if one.event == "AccountSealed"]


def throttled(symbol: str, seconds: float = 12.0) -> BrokerThrottled:
    return BrokerThrottled("memory", symbol, REASON, seconds)


async def test_a_cooldown_is_recorded_once_ends_by_itself_and_fails_no_symbol() -> None:
    bench = CooldownBench(symbols=4, concurrency=4, batch_size=4, mishaps={"S00": [throttled("S00")] * 3})
    await bench.coordinator.begin()
    job = await bench.ended()
    assert job.status is JobStatus.COMPLETED
    assert (job.symbols_completed, job.symbols_failed) == (4, 0)
    assert now() == pytest.approx(3 * 12, abs=3)
    assert bench.cooldowns() == [{"reason": REASON, "seconds": 12.0}] * 3
    assert bench.metrics.cooldowns == 3


async def test_refusals_of_one_burst_are_one_cooldown() -> None:
    mishaps = {symbol: [throttled(symbol)] for symbol in ("S00", "S01", "S02", "S03")}
    bench = CooldownBench(symbols=4, concurrency=4, batch_size=4, mishaps=mishaps)
    await bench.coordinator.begin()
    job = await bench.ended()
    assert (job.status, job.symbols_failed) == (JobStatus.COMPLETED, 0)
    assert len(bench.cooldowns()) == bench.metrics.cooldowns == 1


async def test_a_cooldown_is_shown_while_it_lasts() -> None:
    bench = CooldownBench(symbols=2, mishaps={"S00": [throttled("S00")]})
    await bench.coordinator.begin()
    await asyncio.sleep(5)
    progress = await bench.coordinator.progress()
    assert progress.cooldown_seconds == pytest.approx(8, abs=1.2)
    assert "nothing is sent for" in progress_line(progress)
    assert REASON in progress_line(progress)
    assert bench.metrics.cooldown_seconds[-1] == pytest.approx(8, abs=1.2)
    assert bench.metrics.windows["100/1s"] == (0, 0)
    await bench.ended()


async def test_a_cooldown_that_cannot_be_recorded_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    bench = CooldownBench(symbols=2, batch_size=1, mishaps={"S00": [throttled("S00")]})
    await bench.coordinator.begin()
    bench.store.failing = 5
    with caplog.at_level(logging.ERROR):
        job = await bench.ended()
    assert (job.status, job.symbols_failed, bench.cooldowns()) == (JobStatus.COMPLETED, 0, [])
    assert "EventStoreUnavailable" in caplog.text


async def test_a_cooldown_that_was_recorded_unnoticed_is_not_recorded_again() -> None:
    bench = CooldownBench(symbols=2, mishaps={"S00": [throttled("S00")]})
    await bench.coordinator.begin()
    bench.store.failing, bench.store.lands = 1, True
    await bench.ended()
    assert len(bench.cooldowns()) == 1


def test_the_watch_finds_every_cooldown_once() -> None:
    watch = CooldownWatch()
    assert watch.look(STATUS) is None
    cooled_down = replace(
        STATUS, cooldowns=1, cooldown_seconds=5.0, cooldown_length_seconds=6.0, cooldown_reason=REASON
    )
    found = watch.look(cooled_down)
    assert found is not None
    assert (found.seconds, found.reason) == (6.0, REASON)
    assert watch.look(cooled_down) is None
    again = watch.look(replace(cooled_down, cooldowns=2, cooldown_seconds=0.0))
    assert again is not None, "it may be over by the time it is seen"
    assert again.cooldown_id != found.cooldown_id


def test_a_cooldown_from_before_the_watch_is_found_only_if_it_still_lasts() -> None:
    completed = replace(STATUS, cooldowns=3)
    assert CooldownWatch().look(completed) is None
    assert CooldownWatch().look(replace(completed, cooldown_seconds=1.0)) is not None


def test_a_limiter_that_was_restarted_counts_from_zero() -> None:
    watch = CooldownWatch()
    watch.look(replace(STATUS, cooldowns=3))
    assert watch.look(STATUS) is None
    assert watch.look(replace(STATUS, cooldowns=1)) is not None


async def test_a_limiter_tells_how_often_and_how_long_it_was_in_cooldown() -> None:
    limiter = RateLimiter(account("15/1s"), InMemoryPermitRecord, clock=asyncio.get_running_loop().time)
    await limiter.cool_down(10.0, "HTTP 429")
    await asyncio.sleep(4)
    await limiter.cool_down(10.0, "HTTP 418")
    status = await limiter.status()
    assert (status.cooldowns, status.cooldown_length_seconds, status.cooldown_reason) == (
        1,
        pytest.approx(14.0),
        "HTTP 418",
    )
    await asyncio.sleep(11)
    await limiter.cool_down(1.0, "HTTP 429")
    status = await limiter.status()
    assert (status.cooldowns, status.cooldown_length_seconds) == (2, pytest.approx(1.0))
    assert status.windows == (WindowStatus("15/1s", 15, 0, 0),)


def test_a_job_notes_a_cooldown_in_any_state_in_which_it_sends_and_goes_on() -> None:
    job = running()
    job.note_cooldown(12.0, REASON, timestamp=NOW, command_id="a")
    job.note_cooldown(12.0, REASON, timestamp=NOW, command_id="a")
    job.pause("pause", timestamp=NOW)
    job.note_cooldown(3.0, REASON, timestamp=NOW, command_id="b")
    assert (job.status, job.reason, job.symbols_failed) == (JobStatus.PAUSED, "pause", 0)
    names = [type(happened).__name__ for happened in job.pending_events]
    assert names == ["Created", "Started", "AccountSealed", "Paused", "AccountSealed"]
    with pytest.raises(IllegalTransition):
        pending().note_cooldown(1.0, REASON, timestamp=NOW, command_id="c")


def test_a_cooldown_is_stored_and_shown_in_the_history() -> None:
    journal = JobJournal.in_memory()
    job_id = journal.submit(REQUEST, datetime.now(UTC))
    job = journal.job(job_id)
    job.start("collect", timestamp=NOW)
    job.note_cooldown(12.0, REASON, timestamp=NOW, command_id="a")
    journal.save(job)
    entry = journal.history(job_id)[-1]
    assert (entry.event, entry.reason, entry.details) == ("AccountSealed", REASON, {"seconds": 12.0})
    assert json.dumps(entry.details)
    reloaded = journal.job(job_id)
    reloaded.note_cooldown(12.0, REASON, timestamp=NOW, command_id="a")
    assert list(reloaded.pending_events) == []
