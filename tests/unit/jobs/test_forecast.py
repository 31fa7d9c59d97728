"""The forecast of a job, against the ledger that will grant its permits."""

from __future__ import annotations

import heapq
import math
import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from adapters.in_memory import InMemoryGateway
from domain.candles.dataset import Interval
from domain.candles.sessions import AlwaysOpen
from domain.errors import PermitImpossible
from domain.jobs.forecast import (
    BYTES_PER_BAR,
    SLOTS,
    CollectionForecast,
    StoredSymbols,
    forecast,
    queries_per_symbol,
)
from domain.jobs.request import CollectionRequest
from domain.jobs.simulation import Batches, Slots, calls_like, simulated_makespan_seconds, slots_makespan_seconds
from domain.jobs.timings import ENOUGH_CALLS, FEW_CALLS, NOTHING_TIMED, Timings, last_calls, typical_timings
from domain.limits.ledger import PermitLedger
from domain.limits.rates import RateLimit, ideal_makespan_seconds
from domain.spans.time_span import TimeSpan
from tests.forecast_examples import stored

MINUTE_MS = 60_000
FIFTEEN = RateLimit.parse("15/1s")
WIDE = Slots(workers=4, concurrency=16, batch_size=100)
"""Slots enough for any limit here."""

limits = some.sampled_from(["5/1s", "15/1s", "40/1s", "3/500ms", "60/10s", "100/10s", "9w/1s", "30w/5s"])
slots = some.builds(Slots, some.integers(1, 4), some.integers(1, 5), some.integers(1, 12))


def held(*pages: int) -> StoredSymbols:
    return stored(pages, missing=1000 * sum(pages))


def timed(
    call_seconds: float, page_seconds: float, deviation_seconds: float = 0.0, turnaround_seconds: float = 0.0
) -> Timings:
    squares = 100 * call_seconds**2 + 99 * deviation_seconds**2
    return Timings(100, 100 * call_seconds, 100 * page_seconds, squares, 10, 10 * turnaround_seconds)


def forecast_of(
    pages: Sequence[int], limits: Sequence[str] = ("15/1s",), timings: Timings = NOTHING_TIMED, slots: Slots = WIDE
) -> CollectionForecast:
    return forecast(held(*pages), slots, [RateLimit.parse(text) for text in limits], 1, timings, None)


def ledger_makespan_seconds(
    batches: Batches, slots: Slots, limits: Sequence[RateLimit], weight: int, timings: Timings, most_held_seconds: float
) -> float:
    """The same job event by event: the ledger grants the permits, and completes them when their calls end."""
    ledger, calls = PermitLedger(limits), calls_like(timings)
    saving_seconds = timings.mean_page_seconds - timings.mean_call_seconds
    left = deque(batches)
    symbols: list[deque[int]] = [deque() for _ in range(slots.workers)]
    busy = [0] * slots.workers
    waiting: deque[tuple[int, int]] = deque()
    events: list[tuple[float, int, str, int, int]] = []
    now = reported_at = 0.0
    granted = 0

    def claim(worker: int) -> None:
        if left:
            symbols[worker].extend(left.popleft())
            while symbols[worker] and busy[worker] < slots.concurrency:
                waiting.append((worker, symbols[worker].popleft()))
                busy[worker] += 1

    for worker in range(slots.workers):
        claim(worker)
    while waiting or events:
        wait_seconds = ledger.wait_seconds(weight, now) if waiting else float("inf")
        if events and (not waiting or events[0][0] <= now + wait_seconds):
            now, number, what, worker, pages = heapq.heappop(events)
            if what == "over":
                ledger.complete(str(number), now, now)
            elif what == "reported":
                reported_at = now
                claim(worker)
            elif pages:
                waiting.append((worker, pages))
            elif symbols[worker]:
                waiting.append((worker, symbols[worker].popleft()))
            else:
                busy[worker] -= 1
                if not busy[worker]:
                    heapq.heappush(events, (now + timings.mean_turnaround_seconds, number, "reported", worker, 0))
            continue
        while (wait_seconds := ledger.wait_seconds(weight, now)) > 0:
            # A sum may be rounded down to a moment just before.
            now = max(now + wait_seconds, math.nextafter(now, math.inf))
        worker, pages = waiting.popleft()
        granted += 1
        ledger.grant(str(granted), weight, now, complete_by=now + 1e6)
        call_seconds = next(calls)
        heapq.heappush(events, (now + min(call_seconds, most_held_seconds), granted, "over", worker, 0))
        heapq.heappush(events, (now + call_seconds + saving_seconds, granted, "saved", worker, pages - 1))
    return reported_at


timings = some.builds(
    lambda call_ms, share, saving_ms, turnaround_ms: timed(
        call_ms / 1000, (call_ms + saving_ms) / 1000, share * call_ms / 1000, turnaround_ms / 1000
    ),
    some.integers(0, 700),
    some.sampled_from([0.0, 0.0, 0.1, 0.5, 1.5]),
    some.integers(0, 300),
    some.integers(0, 300),
)


@given(
    pages=some.lists(some.integers(0, 6), min_size=1, max_size=30),
    slots=slots,
    texts=some.sets(limits, min_size=1, max_size=3),
    weight=some.integers(1, 3),
    timings=timings,
    most_held_seconds=some.sampled_from([math.inf, math.inf, 0.05]),
)
def test_the_simulation_takes_as_long_as_the_ledger_makes_the_job_take(
    pages: list[int], slots: Slots, texts: set[str], weight: int, timings: Timings, most_held_seconds: float
) -> None:
    windows = [RateLimit.parse(text) for text in sorted(texts)]
    batches = slots.batches_of(pages)
    simulated = simulated_makespan_seconds(batches, slots, windows, weight, timings, most_held_seconds)
    real = ledger_makespan_seconds(batches, slots, windows, weight, timings, most_held_seconds)
    assert simulated == pytest.approx(real, rel=1e-6, abs=1e-6)


@given(
    pages=some.lists(some.integers(0, 6), min_size=1, max_size=30),
    slots=slots,
    texts=some.sets(limits, min_size=1, max_size=3),
    timings=timings,
)
def test_no_bound_is_above_the_time_forecast_and_a_first_run_states_less(
    pages: list[int], slots: Slots, texts: set[str], timings: Timings
) -> None:
    told = forecast_of(pages, sorted(texts), timings, slots)
    assert max(*told.seconds_by_limit.values(), told.slots_seconds) <= told.seconds + 1e-9
    assert forecast_of(pages, sorted(texts), NOTHING_TIMED, slots).seconds <= told.seconds + 1e-9


def test_calls_are_drawn_as_they_were_recorded_and_the_same_ones_every_time() -> None:
    timings = timed(0.1, 0.1, deviation_seconds=0.04)
    drawn = list(islice(calls_like(timings), 10_000))
    assert statistics.mean(drawn) == pytest.approx(0.1, rel=0.02)
    assert statistics.stdev(drawn) == pytest.approx(0.04, rel=0.05)
    assert drawn[:100] == list(islice(calls_like(timings), 100))


def test_slots_that_wait_for_the_slowest_of_a_batch_need_longer_than_the_mean_call_suggests() -> None:
    few = Slots(workers=2, concurrency=4, batch_size=4)
    steady, shaky = (forecast_of([1] * 400, ["1000/1s"], timed(0.1, 0.1, share * 0.1), few) for share in (0.0, 0.5))
    assert steady.seconds == pytest.approx(50 * 0.1)
    # The slowest of four takes the mean and about one deviation more.
    assert shaky.seconds / steady.seconds == pytest.approx(1 + 1.03 * 0.5, rel=0.05)
    assert steady.slots_seconds == shaky.slots_seconds == pytest.approx(steady.seconds)


def test_a_turnaround_counts_after_each_batch() -> None:
    few = Slots(workers=1, concurrency=4, batch_size=4)
    told = forecast_of([1] * 40, ["1000/1s"], timed(0.1, 0.1, turnaround_seconds=0.05), few)
    assert told.bound_by == SLOTS
    assert told.seconds == told.slots_seconds == pytest.approx(10 * (0.1 + 0.05))


def test_one_window_and_enough_slots_give_the_ideal_makespan() -> None:
    told = forecast_of([3] * 100, timings=timed(0.05, 0.06))
    assert told.bound_by == "15/1s"
    assert told.seconds == pytest.approx(ideal_makespan_seconds(300, FIFTEEN, 0.05), rel=0.01)


def test_a_job_with_few_slots_is_bound_by_them_and_by_how_symbols_fall_into_batches() -> None:
    few = Slots(workers=1, concurrency=4, batch_size=10)
    told = forecast_of([1] * 20, ["1000/1s"], timed(0.1, 0.1), few)
    assert told.bound_by == SLOTS
    # Ten symbols go through four slots in three rounds, and the next batch begins when the last is done.
    assert told.seconds == told.slots_seconds == pytest.approx(0.6)


def test_the_pages_of_one_symbol_follow_each_other() -> None:
    assert slots_makespan_seconds([[5, 1]], Slots(1, 2, 10), 0.1, 0.0) == pytest.approx(0.5)


def test_all_windows_hold_at_once() -> None:
    told = forecast_of([1] * 100, ["50/1s", "90/30s"], timed(0.1, 0.1))
    assert told.bound_by == "90/30s"
    assert told.seconds == pytest.approx(30.1 + 0.1, rel=0.01)


def test_a_weight_is_what_a_window_of_weight_counts() -> None:
    told = forecast(stored((1,) * 6, weight=5), WIDE, [RateLimit.parse("10w/1s")], 5, NOTHING_TIMED, None)
    assert (told.requests, told.weight) == (6, 30)
    assert told.seconds == pytest.approx(2.0, rel=0.01)
    with pytest.raises(PermitImpossible):
        forecast(held(1), WIDE, [RateLimit.parse("10w/1s")], 11, NOTHING_TIMED, None)


def test_without_recorded_times_the_forecast_is_a_lower_bound_and_says_so() -> None:
    told = forecast_of([1] * 31)
    assert told.is_lower_bound
    assert told.as_json()["seconds_is_lower_bound"] is True
    assert told.seconds == pytest.approx(2.0, rel=0.01)
    assert not forecast_of([1], timings=timed(0.1, 0.1)).is_lower_bound


def test_a_complete_store_takes_no_requests() -> None:
    told = forecast_of([0, 0, 0])
    assert (told.requests, told.weight, told.seconds, told.bound_by) == (0, 0, 0.0, "")
    assert (told.symbols_total, told.symbols_complete) == (3, 3)
    assert not told.is_lower_bound


@pytest.mark.parametrize(
    ("pages", "texts", "slots", "share"),
    [
        ([5] * 4000, ["1000/1s"], Slots(2, 4, 8), 0.5),
        ([1] * 20_000, ["10000/3600s"], Slots(2, 4, 8), 0.5),
        ([1] * 20_000, ["4000/240s"], Slots(1, 4, 100), 0.5),
        ([3] * 7000, ["15/1s"], WIDE, 0.5),
        ([3] * 7000, ["90/1s", "5000/60s"], Slots(2, 8, 50), 1.0),
        ([40] * 500, ["1000/1s"], Slots(4, 4, 25), 0.0),
        ([2] * 10_000, [], Slots(3, 5, 7), 0.3),
    ],
)
def test_a_job_too_long_to_simulate_whole_is_forecast_as_if_it_had_been(
    pages: list[int], texts: list[str], slots: Slots, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    timings = timed(0.1, 0.12, deviation_seconds=share * 0.1, turnaround_seconds=0.02)
    whole = forecast_of(pages, texts, timings, slots)
    monkeypatch.setattr("domain.jobs.forecast.MOST_SIMULATED", 2000)
    assert forecast_of(pages, texts, timings, slots).seconds == pytest.approx(whole.seconds, rel=0.02)


def test_a_job_of_which_not_even_a_batch_is_simulated_is_forecast_by_its_greatest_bound() -> None:
    long_batches = forecast_of([1100] * 400, ["1000/1s"], timed(0.1, 0.1, 0.05), Slots(4, 4, 100))
    assert long_batches.seconds == long_batches.slots_seconds == pytest.approx(1100 * 100 / 4 * 0.1)


def test_a_first_run_states_a_lower_bound_however_long_it_is() -> None:
    untimed = forecast_of([1] * 200_000, ["100000/86400s"], NOTHING_TIMED, Slots(4, 4, 300))
    assert untimed.seconds == untimed.seconds_by_limit["100000/86400s"]
    assert forecast_of([1] * 200_000, [], NOTHING_TIMED, Slots(4, 4, 300)).seconds == 0


def test_bars_are_expected_as_densely_as_they_came_so_far() -> None:
    assert stored((1,), 50, 150, 100).bars_expected == 25
    assert stored((1,), 0, 0, 100).bars_expected == 100


def test_bytes_are_as_measured_or_else_a_stated_guess() -> None:
    told = forecast(held(1), WIDE, [FIFTEEN], 1, NOTHING_TIMED, 8.5)
    assert (told.bytes_expected, told.bytes_are_measured) == (8500, True)
    told = forecast(held(1), WIDE, [FIFTEEN], 1, NOTHING_TIMED, None)
    assert (told.bytes_expected, told.bytes_are_measured) == (round(1000 * BYTES_PER_BAR), False)


def test_timings_add_up() -> None:
    both = Timings(1, 0.1, 0.2) + Timings(3, 0.1, 0.4) + Timings(batches=2, turnaround_seconds=0.3)
    assert (both.mean_call_seconds, both.mean_page_seconds) == (pytest.approx(0.05), pytest.approx(0.15))
    assert both.mean_turnaround_seconds == pytest.approx(0.15)
    assert not NOTHING_TIMED
    assert NOTHING_TIMED.mean_call_seconds == NOTHING_TIMED.mean_page_seconds == 0.0
    assert NOTHING_TIMED.mean_turnaround_seconds == NOTHING_TIMED.call_deviation_seconds == 0.0


@given(some.lists(some.floats(0.001, 100), min_size=1, max_size=30))
def test_single_calls_add_up_to_their_mean_and_deviation(calls: list[float]) -> None:
    timings = sum(map(Timings.of_call, calls), NOTHING_TIMED)
    assert timings.mean_call_seconds == pytest.approx(statistics.mean(calls))
    expected = statistics.stdev(calls) if len(calls) > 1 else 0.0
    assert timings.call_deviation_seconds == pytest.approx(expected, rel=1e-6, abs=1e-5)


def batch(calls: Sequence[float], turnaround_seconds: float = 0.01, is_warm: bool = True) -> Timings:
    """As a worker records it, with pages that take as long as their calls."""
    timings = sum(
        map(Timings.of_call, calls), Timings(batches=int(is_warm), turnaround_seconds=is_warm * turnaround_seconds)
    )
    return replace(timings, slot_seconds=timings.call_seconds)


@pytest.mark.parametrize("in_batch", [1, 4, 10, 400])
def test_cold_starts_are_left_out_where_warm_batches_made_calls_enough(in_batch: int) -> None:
    warm = [batch([0.1] * in_batch)] * -(-FEW_CALLS // in_batch)
    typical = typical_timings([*warm, batch([1.2] * 400, is_warm=False), Timings()])
    assert typical.mean_call_seconds == pytest.approx(0.1)
    assert typical.mean_page_seconds == pytest.approx(0.1)
    assert typical.mean_turnaround_seconds == pytest.approx(0.01)


def test_a_few_warm_calls_do_not_outweigh_all_others() -> None:
    typical = typical_timings([batch([0.5]), batch([0.1] * 99, is_warm=False)])
    assert (typical.requests, typical.mean_call_seconds) == (100, pytest.approx(0.104))
    assert typical_timings([Timings(), Timings()]) == NOTHING_TIMED


@pytest.mark.parametrize("in_batch", [1, 2, 3, 10])
def test_typical_timings_have_the_mean_and_deviation_of_the_calls_however_they_are_spread(in_batch: int) -> None:
    drawn = np.random.default_rng(1).lognormal(-2.5, 1.0, 1200)
    typical = typical_timings(batch(calls.tolist()) for calls in drawn.reshape(-1, in_batch))
    assert typical.mean_call_seconds == pytest.approx(drawn.mean())
    assert typical.call_deviation_seconds == pytest.approx(drawn.std(ddof=1))


def test_what_was_recorded_without_a_spread_does_not_narrow_that_of_others() -> None:
    old, new = Timings(10, 1.0, 1.0), batch([0.05, 0.15] * 5, is_warm=False)
    mixed = typical_timings([new, *[old] * 5])
    assert (mixed.requests, mixed.mean_call_seconds) == (60, pytest.approx(0.1))
    assert mixed.call_deviation_seconds == pytest.approx(new.call_deviation_seconds)
    assert typical_timings([old, old]).call_deviation_seconds == 0


def test_one_slow_turnaround_is_not_taken_for_typical() -> None:
    turnarounds = [batch([0.1] * 20, turnaround_seconds=seconds) for seconds in (9.0, 0.01, 0.01)]
    assert typical_timings(turnarounds).mean_turnaround_seconds == pytest.approx(0.01)


def test_no_more_batches_are_looked_at_than_make_enough_calls() -> None:
    looked_at = iter([Timings(ENOUGH_CALLS - 1, 1.0), Timings(), Timings(10, 1.0), Timings(10, 1.0)])
    assert [timings.requests for timings in last_calls(looked_at)] == [ENOUGH_CALLS - 1, 0, 10]
    assert next(looked_at) == Timings(10, 1.0)


@pytest.mark.parametrize(("most_rows", "queries"), [(10, 3), (25, 1), (24, 2)])
def test_a_symbols_queries_are_counted_with_the_last_one_that_is_not_full(most_rows: int, queries: int) -> None:
    request = CollectionRequest("memory", "default", ("A", "B"), Interval("1m"), TimeSpan(0, 25 * MINUTE_MS))
    assert queries_per_symbol(InMemoryGateway(most_rows=most_rows), AlwaysOpen(), request) == queries
