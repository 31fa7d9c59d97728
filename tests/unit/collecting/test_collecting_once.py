"""No bar is requested twice: not by two jobs at a time, and not again unless it may have changed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.candles.candles import Candles
from domain.errors import BrokerUnavailable
from domain.jobs.batches import WorkerOutcome
from domain.spans.time_span import TimeSpan
from tests.unit.collecting.worker_bench import MINUTE_MS, Bench, bars, minutes, names
from tests.unit.virtual_time import VirtualTimeLoop

MARKET = {symbol: bars(60) for symbol in names(3)}


def sharing(first: Bench, **options: object) -> Bench:
    """Another worker, of another job, over the same candle store."""
    return Bench(candles=first.candles, market=MARKET, latency_seconds=1.0, **options)  # type: ignore[arg-type]


def asked_minutes(*benches: Bench) -> list[tuple[str, int]]:
    return [
        (symbol, opening // MINUTE_MS)
        for bench in benches
        for symbol, span in bench.asked
        for opening in range(span.start_ms, span.end_ms, MINUTE_MS)
    ]


async def test_two_jobs_over_the_same_candles_share_the_work_and_both_complete() -> None:
    first = Bench(names(1), market=MARKET, bars_each=60, latency_seconds=1.0)
    second = sharing(first, bars_each=60)
    await asyncio.gather(first.run(), second.run())
    assert sorted(asked_minutes(first, second)) == [("S00", minute) for minute in range(60)]
    for bench in (first, second):
        assert bench.jobs.reports[0].completed == ("S00",)
        told = bench.emitter.events
        assert sum(event.work for event in told) == pytest.approx(1)


spans = st.tuples(st.integers(0, 40), st.integers(1, 20)).map(lambda pair: minutes(pair[0], pair[0] + pair[1]))


@given(st.lists(spans, min_size=2, max_size=3), st.lists(st.floats(0, 9), min_size=3, max_size=3), st.booleans())
@settings(max_examples=60, deadline=None)
def test_however_jobs_overlap_no_bar_is_asked_twice_and_none_is_left_out(
    wanted: Sequence[TimeSpan], delays: Sequence[float], one_breaks_down: bool
) -> None:
    async def scenario() -> None:
        first = Bench(names(3), market=MARKET, span=wanted[0], concurrency=2, latency_seconds=1.0)
        others = [sharing(first, symbols=names(3), span=span, concurrency=2) for span in wanted[1:]]
        benches = [first, *others]
        if one_breaks_down:
            first.gateway._mishaps = {"S01": [BrokerUnavailable("memory", "S01", "down")]}

        async def later(bench: Bench, delay_seconds: float) -> WorkerOutcome:
            await asyncio.sleep(delay_seconds)
            return await bench.run()

        outcomes = await asyncio.gather(*map(later, benches, delays))
        assert {outcome.reason for outcome in outcomes} == {"done"}
        assert all(bench.is_complete(symbol) for bench in benches for symbol in names(3))
        asked = asked_minutes(*benches)
        failed_page = 10 if one_breaks_down else 0
        assert len(asked) - len(set(asked)) <= failed_page

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(scenario())


async def test_waiting_for_another_collector_ends_at_once_with_a_shutdown_or_a_pause_at_once() -> None:
    first = Bench(names(1), market=MARKET, bars_each=60, mishaps={"S00": [asyncio.Event()]})
    holding = first.begin()
    await asyncio.sleep(1)
    for stop in ("shutdown", "pause"):
        waiting = sharing(first, bars_each=60)
        run = waiting.begin()
        await asyncio.sleep(5)
        before = asyncio.get_running_loop().time()
        await (waiting.worker.shutdown() if stop == "shutdown" else waiting.worker.pause(now=True))
        assert asyncio.get_running_loop().time() - before < 0.05
        assert waiting.asked == []
        await waiting.worker.shutdown()
        assert (await run).reason == "stopped"
    await first.worker.shutdown()
    await holding


async def test_a_stopped_collector_lets_the_next_one_go_on() -> None:
    first = Bench(names(1), market=MARKET, bars_each=60, mishaps={"S00": [asyncio.Event()]})
    run = first.begin()
    await asyncio.sleep(1)
    second = sharing(first, bars_each=60)
    other = second.begin()
    await asyncio.sleep(5)
    assert second.asked == []
    await first.worker.shutdown()
    await run
    assert (await other).reason == "done"
    assert second.is_complete("S00")


async def test_earlier_history_a_hole_inside_and_newer_bars_are_all_that_is_asked() -> None:
    bench = Bench(market=MARKET, bars_each=60)
    dataset = bench.gateway.dataset("S00", bench.request.interval)
    for stored in (minutes(7, 20), minutes(25, 52)):
        found = MARKET["S00"].within(stored)
        # Minute 35 was asked, and is empty.
        bench.candles.save(dataset, stored, found.take(found.open_time_ms != 35 * MINUTE_MS))
    await bench.run()
    assert bench.asked == [("S00", minutes(0, 7)), ("S00", minutes(20, 25)), ("S00", minutes(52, 60))]
    again = sharing(bench, bars_each=60)
    await again.run()
    assert (again.asked, again.limiter.granted) == ([], 0)


def revised(market: Candles, minute: int, close: float) -> Candles:
    closes = market.close.copy()
    closes[minute] = close
    columns = {**market.columns(), "close": closes, "high": np.maximum(market.high, closes)}
    return Candles.from_columns(columns)


async def test_bars_that_had_not_settled_are_asked_again_once_they_have_and_a_change_is_kept() -> None:
    ten_minutes = 600.0
    first = Bench(closed_before_ms=10 * MINUTE_MS, settle_seconds=180, clock=lambda: ten_minutes)
    await first.run()
    assert first.jobs.reports[0].completed == ("S00",)
    dataset = first.gateway.dataset("S00", first.request.interval)
    assert first.candles.coverage(dataset, first.span).provisional == (minutes(7, 10),)
    too_early = Bench(candles=first.candles, settle_seconds=180, clock=lambda: ten_minutes + 59)
    await too_early.run()
    assert too_early.asked == []
    changed = {"S00": revised(bars(10), minute=8, close=500.0)}
    later = Bench(
        candles=first.candles, market=changed, closed_before_ms=13 * MINUTE_MS, settle_seconds=180, clock=lambda: 780.0
    )
    await later.run()
    assert later.asked == [("S00", minutes(7, 10))]
    assert first.candles.coverage(dataset, first.span).stored == (minutes(0, 10),)
    revisions = first.candles.revisions(dataset, first.span)
    assert (revisions.as_of_ms.tolist(), revisions.old.close.tolist(), revisions.new.close.tolist()) == (
        [780_000], [108.0], [500.0],
    )  # fmt: skip
    assert first.candles.read(dataset, first.span, as_of_ms=779_999).close[8] == 108.0
    again = Bench(candles=first.candles, settle_seconds=180, clock=lambda: 10_000.0)
    await again.run()
    assert again.asked == []
