from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.collecting.worker_bench import Bench, names
from tests.unit.virtual_time import VirtualTimeLoop

PAGES = 6 * 4
commands = st.lists(
    st.tuples(st.floats(0, 9, allow_nan=False), st.sampled_from(["pause", "pause at once", "resume"])), max_size=8
)


async def _follow(bench: Bench, orders: Sequence[tuple[float, str]]) -> None:
    """Give the orders, each after its delay; after a pause nothing may be on its way until the next one."""
    silent_since: int | None = None
    for delay_seconds, order in orders:
        await asyncio.sleep(delay_seconds)
        if silent_since is not None:
            assert (len(bench.asked), bench.exchange.in_flight, bench.limiter.waiting) == (silent_since, 0, 0)
        if order == "resume":
            await bench.worker.resume()
            silent_since = None
        else:
            await bench.worker.pause(now=order == "pause at once")
            silent_since = len(bench.asked)


@given(commands, st.integers(1, 4), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_whatever_is_paused_and_resumed_every_page_is_asked_exactly_once(
    orders: list[tuple[float, str]], concurrency: int, batch_size: int
) -> None:
    async def scenario() -> None:
        bench = Bench(names(6), bars_each=40, concurrency=concurrency, batch_size=batch_size, latency_seconds=1.0)
        run = bench.begin()
        await _follow(bench, orders)
        await bench.worker.resume()
        assert (await run).reason == "done"
        assert len(bench.asked) == len(set(bench.asked)) == PAGES
        assert sum(report.pages for report in bench.jobs.reports) == PAGES
        assert sum(report.requests for report in bench.jobs.reports) == PAGES
        assert bench.limiter.abandoned == 0

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(scenario())


@given(commands, st.floats(0, 30, allow_nan=False), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_a_shutdown_at_any_moment_ends_the_run_and_loses_nothing_that_was_saved(
    orders: list[tuple[float, str]], shutdown_after_seconds: float, concurrency: int
) -> None:
    async def scenario() -> None:
        bench = Bench(names(6), bars_each=40, concurrency=concurrency, batch_size=3, latency_seconds=1.0)
        run = bench.begin()
        following = asyncio.create_task(_follow(bench, orders))
        await asyncio.sleep(shutdown_after_seconds)
        following.cancel()
        await asyncio.wait([following])
        async with asyncio.timeout(0.5):
            await bench.worker.shutdown()
        assert (await run).reason in ("stopped", "done")
        saved = sum(report.candles_saved for report in bench.jobs.reports)
        assert saved == sum(bench.stored(symbol) for symbol in bench.symbols)
        assert bench.limiter.granted == bench.limiter.answered + bench.limiter.unused + bench.limiter.abandoned
        assert bench.jobs.workers == set()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(scenario())
