"""Truncated answers are caught, gaps are believed when a second answer agrees, and sound pages cost nothing more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.in_memory import InMemoryExchange
from domain.candles.candles import Candles
from domain.candles.findings import ABSENT, UNEXPECTED
from domain.candles.sessions import DAY_MS, MarketSessions, Session
from domain.jobs.retries import RetryPolicy
from domain.spans.time_span import TimeSpan
from tests.unit.collecting.worker_bench import MINUTE_MS, Bench, bars, minutes
from tests.unit.virtual_time import VirtualTimeLoop

Answering = Callable[[int, Candles], Candles]
"""From the number of the request, counted from 1, and the true answer to what is sent."""

KNOWN = TimeSpan(-100 * DAY_MS, 100 * DAY_MS)


class ShortExchange(InMemoryExchange):
    """A broker that sends what `answering` makes of the truth."""

    answering: Answering

    def serve(self, symbol: str, span: TimeSpan) -> Candles:
        return self.answering(len(self.asked), super().serve(symbol, span))


def bench_with(answering: Answering, bars_each: int = 10, **options: Any) -> Bench:
    bench = Bench(bars_each=bars_each, policy=RetryPolicy(attempts=3), **options)
    bench.exchange.__class__ = ShortExchange
    bench.exchange.answering = answering  # type: ignore[attr-defined]
    return bench


def without(*absent: int, count: int) -> dict[str, Candles]:
    whole = bars(count)
    return {"S00": whole.take(~np.isin(whole.open_time_ms // MINUTE_MS, absent))}


def spans(bench: Bench) -> list[tuple[int, int]]:
    return [(span.start_ms // MINUTE_MS, span.end_ms // MINUTE_MS) for _, span in bench.asked]


def open_in(*hours: tuple[int, int]) -> MarketSessions:
    made = [Session(start * MINUTE_MS, (minutes(start, end),)) for start, end in hours]
    return MarketSessions.of("TEST", KNOWN, made)


CUTS: Mapping[str, Callable[[int], Answering]] = {
    "the first of what was asked": lambda kept: lambda _, page: page.take(slice(0, kept)),
    "the last of what was asked": lambda kept: lambda _, page: page.take(slice(max(0, len(page) - kept), None)),
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS.keys())
@pytest.mark.parametrize("kept", [1, 4, 9])
async def test_a_broker_that_always_sends_only_so_many_bars_fails_the_symbol_and_says_so(
    cut: Callable[[int], Answering], kept: int
) -> None:
    bench = bench_with(cut(kept))
    await bench.run()
    (report,) = bench.jobs.reports
    (failure,) = report.failed
    assert (report.completed, failure.kind, failure.attempts) == ((), "MalformedResponse", 3)
    assert f"of 10 bars expected in {minutes(0, 10)} {kept} came, and requested again for" in failure.message
    assert "came that had been left out" in failure.message
    assert (bench.stored("S00"), bench.is_complete("S00")) == (0, False)
    assert bench.limiter.granted == report.requests == 6


async def test_a_page_that_was_cut_once_is_asked_again_and_completes() -> None:
    bench = bench_with(lambda number, page: page.take(slice(0, 3)) if number == 1 else page)
    await bench.run()
    (report,) = bench.jobs.reports
    assert spans(bench) == [(0, 10), (3, 10), (0, 10)]
    assert (report.completed, report.pages, report.requests, bench.stored("S00")) == (("S00",), 1, 3, 10)


async def test_bars_that_appear_late_are_not_lost() -> None:
    bench = bench_with(lambda number, page: page.take(slice(0, 8)) if number == 1 else page)
    await bench.run()
    assert bench.stored("S00") == 10


async def test_a_gap_is_believed_when_a_second_answer_agrees_and_only_the_gap_is_asked() -> None:
    bench = Bench(bars_each=20, market=without(3, 6, count=20))
    await bench.run()
    (report,) = bench.jobs.reports
    assert spans(bench) == [(0, 10), (3, 7), (10, 20)]
    assert (report.completed, report.pages, report.requests, report.candles_saved) == (("S00",), 2, 3, 18)
    assert bench.is_complete("S00")


async def test_a_broker_that_denies_bars_it_has_sent_contradicts_itself_too() -> None:
    def forgetful(number: int, page: Candles) -> Candles:
        return page.take(page.open_time_ms != 5 * MINUTE_MS) if number == 2 else page

    bench = bench_with(forgetful, market=without(3, 7, count=10))
    await bench.run()
    assert spans(bench) == [(0, 10), (3, 8), (0, 10), (3, 8)]
    assert bench.stored("S00") == 8


async def test_refused_bars_came_and_are_not_asked_for_again() -> None:
    columns = bars(10).columns()
    high = columns["high"].copy()
    high[4] = 1.0
    bench = Bench(market={"S00": Candles.from_columns({**columns, "high": high})})
    await bench.run()
    assert spans(bench) == [(0, 10)]


async def test_what_the_calendar_explains_costs_no_second_request() -> None:
    bench = Bench(bars_each=40, market=without(*range(5, 22), count=40), calendar=open_in((0, 5), (22, 40)))
    await bench.run()
    assert spans(bench) == [(0, 27), (27, 37), (37, 40)]
    assert bench.jobs.reports[0].completed == ("S00",)


async def test_a_closed_page_before_the_first_bars_is_not_asked_once_more() -> None:
    bench = Bench(bars_each=40, market=without(*range(22), count=40), calendar=open_in((22, 40)))
    await bench.run()
    assert spans(bench) == [(0, 32), (32, 40)]


async def test_a_broker_that_keeps_denying_what_it_has_sent_fails_the_symbol_and_says_so() -> None:
    def forgetful(number: int, page: Candles) -> Candles:
        return page if number % 2 else page.take(page.open_time_ms != 5 * MINUTE_MS)

    bench = bench_with(forgetful, market=without(3, 7, count=10))
    await bench.run()
    (failure,) = bench.jobs.reports[0].failed
    assert failure.message.endswith(f"requested again for {minutes(3, 8)}, 1 were missing")


async def test_an_empty_page_between_full_ones_is_asked_once_more() -> None:
    bench = Bench(bars_each=30, market=without(*range(10, 20), count=30))
    await bench.run()
    assert spans(bench) == [(0, 10), (10, 20), (10, 20), (20, 30)]
    assert bench.jobs.reports[0].completed == ("S00",)


async def test_an_empty_answer_in_place_of_a_full_page_is_caught() -> None:
    bench = bench_with(lambda number, page: Candles.empty() if number == 2 else page, bars_each=30)
    await bench.run()
    assert spans(bench) == [(0, 10), (10, 20), (10, 20), (10, 20), (20, 30)]
    assert bench.stored("S00") == 30


async def test_empty_years_before_a_listing_are_believed_except_for_the_page_before_the_first_bar() -> None:
    bench = Bench(bars_each=50, market=without(*range(30), count=50))
    await bench.run()
    assert spans(bench) == [(0, 10), (10, 20), (20, 30), (30, 40), (20, 30), (40, 50)]


async def test_a_listing_inside_a_page_is_confirmed_with_that_page_and_the_one_before() -> None:
    bench = Bench(bars_each=40, market=without(*range(25), count=40))
    await bench.run()
    assert spans(bench) == [(0, 10), (10, 20), (20, 30), (20, 25), (10, 20), (30, 40)]


async def test_empty_answers_in_place_of_the_first_pages_are_found_out_one_after_the_other() -> None:
    bench = bench_with(lambda number, page: Candles.empty() if number < 4 else page, bars_each=40)
    await bench.run()
    (report,) = bench.jobs.reports
    assert spans(bench) == [(0, 10), (10, 20), (20, 30), (30, 40), (20, 30), (10, 20), (0, 10)]
    assert (bench.stored("S00"), report.candles_saved, report.pages, report.completed) == (40, 40, 4, ("S00",))


async def test_after_the_last_bar_of_a_symbol_one_empty_page_is_confirmed_and_the_rest_believed() -> None:
    bench = Bench(bars_each=50, market=without(*range(20, 50), count=50))
    await bench.run()
    assert spans(bench) == [(0, 10), (10, 20), (20, 30), (20, 30), (30, 40), (40, 50)]


async def test_a_symbol_without_any_bar_is_asked_once_more_before_that_is_believed() -> None:
    bench = Bench(bars_each=20, market={"S00": bars(0)})
    await bench.run()
    assert spans(bench) == [(0, 10), (10, 20), (10, 20)]
    wrong = bench_with(lambda number, page: Candles.empty() if number == 1 else page)
    await wrong.run()
    assert (spans(wrong), wrong.stored("S00")) == ([(0, 10), (0, 10), (0, 10)], 10)


async def test_what_an_earlier_run_has_stored_counts_as_a_neighbour() -> None:
    bench = bench_with(lambda number, page: Candles.empty() if number == 1 else page, bars_each=30)
    dataset = bench.gateway.dataset("S00", bench.request.interval)
    bench.candles.save(dataset, minutes(0, 10), bars(10))
    bench.candles.save(dataset, minutes(20, 30), bars(10, first=20))
    await bench.run()
    assert spans(bench) == [(10, 20), (10, 20), (10, 20)]
    assert bench.stored("S00") == 30


async def test_a_gap_that_an_earlier_run_left_unconfirmed_is_asked_before_what_follows_it_is_saved() -> None:
    bench = Bench(bars_each=20)
    dataset = bench.gateway.dataset("S00", bench.request.interval)
    bench.candles.save(dataset, minutes(0, 10), bars(0))
    await bench.run()
    assert spans(bench) == [(10, 20), (0, 10)]
    assert bench.stored("S00") == 20


async def test_bars_outside_of_the_sessions_are_stored_and_counted_against_the_calendar() -> None:
    bench = Bench(bars_each=10, calendar=open_in((0, 6)))
    await bench.run()
    (report,) = bench.jobs.reports
    assert (bench.stored("S00"), report.candles_quarantined) == (10, 0)
    assert report.findings == {UNEXPECTED: 4}
    assert spans(bench) == [(0, 10)]


async def test_what_was_noticed_is_told_as_it_comes_and_reported_with_the_batch() -> None:
    columns = bars(20).columns()
    high = columns["high"].copy()
    high[4] = 1.0
    market = Candles.from_columns({**columns, "high": high})
    bench = Bench(bars_each=20, market={"S00": market.take(slice(0, 17))})
    await bench.run()
    assert bench.jobs.reports[0].findings == {"high is below open or close": 1, ABSENT: 3}
    assert [event.findings for event in bench.emitter.of_kind("page")] == [
        {"high is below open or close": 1},
        {ABSENT: 3},
    ]


@given(
    st.sets(st.integers(0, 59).filter(lambda minute: minute % 10 != 5)),
    st.lists(st.tuples(st.integers(0, 59), st.integers(1, 20)), max_size=4),
    st.dictionaries(st.integers(1, 9), st.integers(1, 9), max_size=2).filter(
        lambda cut: not any(number + 1 in cut for number in cut)
    ),
)
@settings(max_examples=200, deadline=None)
def test_a_broker_that_now_and_then_cuts_an_answer_leaves_no_expected_bar_out(
    absent: set[int], hours: list[tuple[int, int]], cut: dict[int, int]
) -> None:
    """Never two answers in a row: what is wrong twice in the same way cannot be told from the truth."""

    def answering(number: int, page: Candles) -> Candles:
        return page.take(slice(0, cut.get(number)))

    async def scenario() -> None:
        open_minutes = [*hours, *((minute, 1) for minute in range(5, 60, 10))]
        calendar = open_in(*((start, start + length) for start, length in open_minutes))
        market = without(*absent, count=60)
        bench = bench_with(answering, bars_each=60, market=market, calendar=calendar)
        await bench.run()
        expected = {minute for start, length in open_minutes for minute in range(start, start + length)}
        dataset = bench.gateway.dataset("S00", bench.request.interval)
        stored = (bench.candles.read(dataset, bench.span).open_time_ms // MINUTE_MS).tolist()
        assert bench.jobs.reports[0].completed == ("S00",)
        assert (expected - absent) & set(range(60)) <= set(stored)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(scenario())


def rechecking(bench: Bench) -> Bench:
    bench.jobs._request = replace(bench.request, recheck_gaps=True)
    return bench


async def test_a_recheck_asks_once_more_for_what_was_denied_close_gaps_together() -> None:
    first = Bench(bars_each=60, market=without(3, 6, 41, 44, 57, count=60))
    await first.run()
    second = rechecking(Bench(bars_each=60, market=without(3, 57, count=60), candles=first.candles))
    await second.run()
    assert spans(second) == [(3, 7), (41, 45), (57, 58)]
    assert (second.stored("S00"), second.jobs.reports[0].completed) == (58, ("S00",))


async def test_a_recheck_leaves_alone_what_the_calendar_calls_closed() -> None:
    calendar = open_in((0, 5), (8, 20))
    first = Bench(bars_each=20, market=without(5, 6, 7, 12, count=20), calendar=calendar)
    await first.run()
    second = rechecking(Bench(bars_each=20, market={"S00": bars(20)}, candles=first.candles, calendar=calendar))
    await second.run()
    assert spans(second) == [(12, 13)]
    assert second.stored("S00") == 17


async def test_without_a_recheck_a_confirmed_gap_is_not_requested_again() -> None:
    first = Bench(bars_each=20, market=without(12, count=20))
    await first.run()
    second = Bench(bars_each=20, candles=first.candles)
    await second.run()
    assert spans(second) == []
