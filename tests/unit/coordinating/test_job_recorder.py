from __future__ import annotations

import asyncio

import pytest

from actors.coordinating import commands
from actors.coordinating.recorder import SAVE_ATTEMPTS, SAVE_PAUSE_SECONDS, JobRecorder
from domain.errors import EventStoreUnavailable, IllegalTransition, StaleEpoch
from domain.jobs.status import JobStatus
from tests.unit.coordinating.coordinator_bench import CoordinatorBench


async def recorder_of(bench: CoordinatorBench) -> JobRecorder:
    recorder = JobRecorder(bench.job_id, bench.store)
    await recorder.load()
    return recorder


@pytest.mark.parametrize("lands", [False, True])
async def test_a_command_is_repeated_on_the_reloaded_job_until_it_is_stored(lands: bool) -> None:
    bench = CoordinatorBench()
    recorder = await recorder_of(bench)
    bench.store.failing, bench.store.lands = 1, lands
    await recorder.record(commands.take_up)
    assert bench.job.status is JobStatus.RUNNING
    await recorder.record(commands.pause)
    assert bench.events[-1] == "Paused"


async def test_it_gives_up_after_some_attempts_and_goes_on_once_the_store_is_back() -> None:
    bench = CoordinatorBench()
    recorder = await recorder_of(bench)
    bench.store.failing = SAVE_ATTEMPTS
    with pytest.raises(EventStoreUnavailable):
        await recorder.record(commands.take_up)
    assert asyncio.get_running_loop().time() >= (SAVE_ATTEMPTS - 1) * SAVE_PAUSE_SECONDS
    await recorder.record(commands.take_up)
    assert bench.events == ["Created", "Started"]


async def test_in_a_hurry_it_gives_up_at_the_first_failure() -> None:
    bench = CoordinatorBench()
    recorder = await recorder_of(bench)
    recorder.is_hurried = True
    bench.store.failing = 1
    with pytest.raises(EventStoreUnavailable):
        await recorder.record(commands.take_up)
    assert bench.store.failing == 0
    assert bench.events == ["Created"]


async def test_a_command_that_is_refused_changes_nothing() -> None:
    bench = CoordinatorBench()
    recorder = await recorder_of(bench)
    with pytest.raises(IllegalTransition):
        await recorder.record(commands.retry)
    await recorder.record(commands.take_up)
    assert bench.events == ["Created", "Started"]


async def test_once_another_has_the_job_no_command_is_carried_out_any_more() -> None:
    bench = CoordinatorBench()
    recorder = await recorder_of(bench)
    await recorder.record(commands.take_up)
    other = await recorder_of(bench)
    await other.record(commands.take_over)
    for command in (commands.pause, commands.pause, commands.cancel):
        with pytest.raises(StaleEpoch):
            await recorder.record(command)
    assert bench.events[-1] == "TakenOver"
