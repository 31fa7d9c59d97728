from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from domain.errors import BrokerThrottled, BrokerUnavailable
from domain.jobs.batches import WorkerOutcome
from domain.jobs.retries import RetryPolicy
from tests.unit.collecting.worker_bench import Bench, a_while, minutes, names

SLOW = RetryPolicy(base_seconds=10_000, max_seconds=10_000)


async def run_begun(bench: Bench) -> asyncio.Task[WorkerOutcome]:
    run = bench.begin()
    await a_while()
    return run


async def test_pause_finishes_the_current_symbol_and_waits() -> None:
    bench = Bench(names(3), bars_each=30, latency_seconds=1.0)
    run = bench.begin()
    await asyncio.sleep(0.5)
    await bench.worker.pause()
    assert bench.is_complete("S00")
    assert bench.exchange.in_flight == 0
    assert not run.done()
    assert (await bench.worker.status())["state"] == "paused"
    assert [(report.finished, report.completed) for report in bench.jobs.reports] == [(False, ("S00",))]
    await bench.worker.shutdown()


async def test_after_pause_no_request_leaves_until_resume() -> None:
    bench = Bench(names(10), bars_each=30, concurrency=4, latency_seconds=1.0)
    run = bench.begin()
    await asyncio.sleep(1.5)
    await bench.worker.pause()
    asked, granted = len(bench.asked), bench.limiter.granted
    await asyncio.sleep(3600)
    assert (len(bench.asked), bench.limiter.granted) == (asked, granted)
    await bench.worker.resume()
    assert (await run).reason == "done"
    assert len(bench.asked) == 30
    assert sorted(symbol for report in bench.jobs.reports for symbol in report.completed) == list(names(10))


async def test_pause_at_once_stops_after_the_page_in_hand_and_resume_goes_on_behind_it() -> None:
    bench = Bench(bars_each=30, latency_seconds=1.0)
    run = bench.begin()
    await asyncio.sleep(0.5)
    await bench.worker.pause(now=True)
    assert bench.stored("S00") == 10
    assert bench.limiter.abandoned == 0
    await bench.worker.resume()
    assert (await run).reason == "done"
    assert bench.asked == [("S00", minutes(0, 10)), ("S00", minutes(10, 20)), ("S00", minutes(20, 30))]


async def test_pause_at_once_cuts_the_wait_for_a_permit() -> None:
    bench = Bench()
    bench.limiter.gate.clear()
    run = await run_begun(bench)
    await bench.worker.pause(now=True)
    assert bench.limiter.waiting == 0
    bench.limiter.gate.set()
    await a_while()
    assert bench.asked == []
    await bench.worker.resume()
    assert (await run).reason == "done"


async def test_a_permit_that_comes_late_goes_back_unused() -> None:
    bench = Bench()
    bench.limiter._pass_gate = _uncancellable(lambda: asyncio.sleep(2))  # type: ignore[method-assign]
    run = bench.begin()
    await asyncio.sleep(1)
    await bench.worker.pause(now=True)
    assert (bench.asked, bench.limiter.granted, bench.limiter.unused) == ([], 1, 1)
    await bench.worker.shutdown()
    await run


def _uncancellable(wait: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    async def waits_on() -> None:
        task = asyncio.ensure_future(wait())
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                continue

    return waits_on


async def test_pause_at_once_cuts_the_wait_between_two_attempts() -> None:
    bench = Bench(mishaps={"S00": [BrokerUnavailable("memory", "S00", "503")]}, policy=SLOW)
    run = await run_begun(bench)
    async with asyncio.timeout(1):
        await bench.worker.pause(now=True)
    assert bench.jobs.reports[0].failed == ()
    await bench.worker.resume()
    assert (await run).reason == "done"


async def test_a_paused_worker_returns_a_batch_that_it_has_just_claimed() -> None:
    bench = Bench(names(2), batch_size=1)
    other = await bench.jobs.claim_batch("memory-job", "other"), await bench.jobs.claim_batch("memory-job", "other")
    assert all(other)
    run = await run_begun(bench)
    await bench.worker.pause()
    await bench.jobs.finish("memory-job", "other")
    await a_while()
    assert bench.asked == []
    assert bench.jobs._claimed == {}
    await bench.worker.resume()
    assert (await run).reason == "done"


async def test_a_pause_that_arrives_after_its_resume_is_ignored() -> None:
    bench = Bench(names(3), latency_seconds=1.0)
    run = bench.begin()
    await bench.worker.resume(number=2)
    await bench.worker.pause(number=1)
    assert (await run).reason == "done"


async def test_a_pause_that_is_resumed_before_the_worker_is_idle_returns() -> None:
    bench = Bench(bars_each=1000, latency_seconds=1.0)
    run = bench.begin()
    await asyncio.sleep(1.5)
    pausing = asyncio.create_task(bench.worker.pause(number=1))
    await asyncio.sleep(1)
    await bench.worker.resume(number=2)
    await pausing
    assert not run.done()
    assert (await run).reason == "done"


async def test_a_worker_paused_before_it_runs_waits_with_its_first_request() -> None:
    bench = Bench()
    await bench.worker.pause()
    run = await run_begun(bench)
    assert bench.limiter.granted == 0
    await bench.worker.resume()
    assert (await run).reason == "done"


async def _waiting_for_a_permit(bench: Bench) -> None:
    bench.limiter.gate.clear()


async def _paused(bench: Bench) -> None:
    await bench.worker.pause()


async def _between_batches(bench: Bench) -> None:
    while await bench.jobs.claim_batch("memory-job", "other"):
        if not bench.jobs._waiting:
            return


async def _as_it_is(bench: Bench) -> None:
    pass


STATES: dict[str, tuple[Callable[[], Bench], Callable[[Bench], Awaitable[None]]]] = {
    "waiting for a permit": (lambda: Bench(names(3)), _waiting_for_a_permit),
    "in a hung fetch": (lambda: Bench(names(3), mishaps={"S00": [asyncio.Event()]}), _as_it_is),
    "hung with all it may have in flight": (
        lambda: Bench(names(9), concurrency=4, mishaps={symbol: [asyncio.Event()] for symbol in names(9)}),
        _as_it_is,
    ),
    "paused": (lambda: Bench(names(3)), _paused),
    "waiting for a batch": (lambda: Bench(names(3)), _between_batches),
    "waiting between attempts": (
        lambda: Bench(names(3), mishaps={"S00": [BrokerUnavailable("memory", "S00", "503")]}, policy=SLOW),
        _as_it_is,
    ),
    "throttled for a day": (
        lambda: Bench(names(3), mishaps={"S00": [BrokerThrottled("memory", "S00", "418", 86_400)]}),
        _as_it_is,
    ),
}


@pytest.mark.parametrize("state", STATES)
async def test_shutdown_ends_the_run_at_once_from_any_state(state: str) -> None:
    build, bring_about = STATES[state]
    bench = build()
    await bring_about(bench)
    run = await run_begun(bench)
    assert not run.done()
    asked, before = len(bench.asked), asyncio.get_running_loop().time()
    await bench.worker.shutdown()
    assert asyncio.get_running_loop().time() - before < 0.05
    assert await run == WorkerOutcome("stopped")
    assert bench.jobs.finished_workers == ["worker-1"]
    assert all(not report.finished and report.completed == () for report in bench.jobs.reports)
    await a_while()
    assert (len(bench.asked), bench.exchange.in_flight, bench.limiter.waiting) == (asked, 0, 0)


async def test_shutdown_in_a_hung_fetch_delivers_the_partial_report() -> None:
    bench = Bench(names(5), mishaps={"S03": [asyncio.Event()]})
    run = await run_begun(bench)
    await bench.worker.shutdown()
    await run
    (report,) = bench.jobs.reports
    assert (report.finished, report.completed, report.pages, report.requests) == (False, ("S00", "S01", "S02"), 3, 4)
    assert bench.limiter.abandoned == 1


async def test_shutdown_while_saving_lets_the_save_finish() -> None:
    async def slowly(call: Callable[..., object]) -> None:
        if call.__name__ == "_store":
            await asyncio.sleep(0.3)

    bench = Bench(before_blocking=slowly)
    run = bench.begin()
    await asyncio.sleep(0.1)
    assert bench.stored("S00") == 0
    await bench.worker.shutdown()
    assert (await run).reason == "stopped"
    assert (bench.stored("S00"), bench.jobs.reports[0].candles_saved) == (10, 10)


async def test_shutdown_does_not_wait_for_a_save_that_hangs() -> None:
    async def hang(call: Callable[..., object]) -> None:
        if call.__name__ == "_store":
            await asyncio.sleep(3600)

    bench = Bench(before_blocking=hang)
    run = await run_begun(bench)
    before = asyncio.get_running_loop().time()
    await bench.worker.shutdown()
    assert asyncio.get_running_loop().time() - before <= 0.5
    assert (await run).reason == "stopped"
    assert (bench.jobs.reports[0].finished, bench.jobs.reports[0].candles_saved) == (False, 0)


async def test_shutdown_does_not_wait_for_a_limiter_that_hangs() -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    bench = Bench()
    bench.limiter.close = hang  # type: ignore[method-assign]
    assert (await bench.run()).reason == "done"


async def test_shutdown_may_be_called_again_and_before_and_after_the_run() -> None:
    bench = Bench()
    await bench.worker.shutdown()
    assert (await bench.run()).reason == "stopped"
    await asyncio.gather(bench.worker.shutdown(), bench.worker.shutdown())
    assert bench.asked == []


async def test_a_pause_during_shutdown_returns_and_holds_nothing_up() -> None:
    bench = Bench(names(3), mishaps={"S00": [asyncio.Event()]})
    run = await run_begun(bench)
    pausing = asyncio.create_task(bench.worker.pause())
    await a_while()
    assert not pausing.done()
    await bench.worker.shutdown()
    await pausing
    assert (await run).reason == "stopped"


async def test_a_worker_stopped_at_any_moment_leaves_what_the_next_one_needs_not_ask_again() -> None:
    bench = Bench(names(4), bars_each=50, concurrency=2, latency_seconds=1.0)
    run = bench.begin()
    await asyncio.sleep(7.5)
    await bench.worker.shutdown()
    await run
    finished = {
        page for page in bench.asked if bench.stored(page[0]) and page[1].end_ms <= _stored_until(bench, page[0])
    }
    successor = Bench(names(4), bars_each=50)
    successor.candles.histories = bench.candles.histories
    assert (await successor.run()).reason == "done"
    assert finished
    assert not finished & set(successor.asked)
    assert len(finished) + len(successor.asked) == 20


def _stored_until(bench: Bench, symbol: str) -> int:
    return minutes(0, bench.stored(symbol)).end_ms
