"""The forecast of a job, against the ledger that will grant its permits."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as some

from domain.coverage import Coverage
from domain.errors import PermitImpossible
from domain.forecast import BYTES_PER_BAR, LANES, MOST_REHEARSED, CollectionForecast, SymbolsHeld, forecast
from domain.pace import NOTHING_TIMED, Pace, typical_pace
from domain.permits import PermitLedger
from domain.rates import RateLimit, ideal_makespan_seconds
from domain.rehearsal import Batches, Lanes, lanes_makespan_seconds, rehearsed_makespan_seconds
from domain.timespan import TimeSpan

MINUTE_MS = 60_000
FIFTEEN = RateLimit.parse("15/1s")
WIDE = Lanes(workers=4, concurrency=16, batch_size=100)
"""Lanes enough for any limit here."""

limits = some.sampled_from(["5/1s", "15/1s", "40/1s", "3/500ms", "60/10s", "100/10s", "9w/1s", "30w/5s"])
lanes = some.builds(Lanes, some.integers(1, 4), some.integers(1, 5), some.integers(1, 12))


def held(*pages: int) -> SymbolsHeld:
    return SymbolsHeld(pages, bars_stored=0, bars_empty=0, bars_missing=1000 * sum(pages))


def timed(call_seconds: float, page_seconds: float) -> Pace:
    return Pace(100, 100 * call_seconds, 100 * page_seconds)


def foretell(
    pages: Sequence[int], limits: Sequence[str] = ("15/1s",), pace: Pace = NOTHING_TIMED, lanes: Lanes = WIDE
) -> CollectionForecast:
    return forecast(held(*pages), lanes, [RateLimit.parse(text) for text in limits], 1, pace, None)


def ledger_makespan_seconds(
    batches: Batches, lanes: Lanes, limits: Sequence[RateLimit], weight: int, call_seconds: float, page_seconds: float
) -> float:
    """The same job event by event: the ledger says when a permit may be granted, and hears when its call is over."""
    ledger = PermitLedger(limits)
    left = deque(batches)
    symbols: list[deque[int]] = [deque() for _ in range(lanes.workers)]
    busy = [0] * lanes.workers
    asking: deque[tuple[int, int]] = deque()
    events: list[tuple[float, int, str, int, int]] = []
    now = granted = 0

    def begin(worker: int) -> None:
        while symbols[worker] and busy[worker] < lanes.concurrency:
            asking.append((worker, symbols[worker].popleft()))
            busy[worker] += 1
        if not busy[worker] and left:
            symbols[worker].extend(left.popleft())
            begin(worker)

    for worker in range(lanes.workers):
        begin(worker)
    while asking or events:
        wait_seconds = ledger.wait_seconds(weight, now) if asking else float("inf")
        if events and (not asking or events[0][0] <= now + wait_seconds):
            now, number, what, worker, pages = heapq.heappop(events)
            if what == "answered":
                ledger.settle(str(number), now, now)
            elif pages:
                asking.append((worker, pages))
            else:
                busy[worker] -= 1
                begin(worker)
            continue
        while (wait_seconds := ledger.wait_seconds(weight, now)) > 0:
            # A sum may be rounded down to a moment just before.
            now = max(now + wait_seconds, math.nextafter(now, math.inf))
        worker, pages = asking.popleft()
        granted += 1
        ledger.lend(str(granted), weight, now, over_by=now + 1e6)
        heapq.heappush(events, (now + call_seconds, granted, "answered", worker, 0))
        heapq.heappush(events, (now + page_seconds, granted, "saved", worker, pages - 1))
    return now


@given(
    pages=some.lists(some.integers(0, 6), min_size=1, max_size=30),
    lanes=lanes,
    texts=some.sets(limits, min_size=1, max_size=3),
    weight=some.integers(1, 3),
    call_ms=some.integers(0, 700),
    saving_ms=some.integers(0, 300),
)
def test_the_rehearsal_takes_as_long_as_the_ledger_makes_the_job_take(
    pages: list[int], lanes: Lanes, texts: set[str], weight: int, call_ms: int, saving_ms: int
) -> None:
    windows = [RateLimit.parse(text) for text in sorted(texts)]
    pace = timed(call_ms / 1000, (call_ms + saving_ms) / 1000)
    batches = lanes.batches_of(pages)
    rehearsed = rehearsed_makespan_seconds(batches, lanes, windows, weight, pace)
    real = ledger_makespan_seconds(batches, lanes, windows, weight, pace.mean_call_seconds, pace.mean_page_seconds)
    assert rehearsed == pytest.approx(real, rel=1e-6, abs=1e-6)


@given(
    pages=some.lists(some.integers(0, 6), min_size=1, max_size=30),
    lanes=lanes,
    texts=some.sets(limits, min_size=1, max_size=3),
    call_ms=some.integers(1, 700),
)
def test_no_bound_is_above_the_time_forecast_and_a_first_run_states_less(
    pages: list[int], lanes: Lanes, texts: set[str], call_ms: int
) -> None:
    pace = timed(call_ms / 1000, call_ms / 1000)
    told = foretell(pages, sorted(texts), pace, lanes)
    assert max(*told.seconds_by_limit.values(), told.lanes_seconds) <= told.seconds + 1e-9
    assert foretell(pages, sorted(texts), NOTHING_TIMED, lanes).seconds <= told.seconds + 1e-9


def test_one_window_and_lanes_enough_give_the_ideal_makespan() -> None:
    told = foretell([3] * 100, pace=timed(0.05, 0.06))
    assert told.bound_by == "15/1s"
    assert told.seconds == pytest.approx(ideal_makespan_seconds(300, FIFTEEN, 0.05), rel=0.01)


def test_a_job_with_few_lanes_is_bound_by_them_and_by_how_symbols_fall_into_batches() -> None:
    few = Lanes(workers=1, concurrency=4, batch_size=10)
    told = foretell([1] * 20, ["1000/1s"], timed(0.1, 0.1), few)
    assert told.bound_by == LANES
    # Ten symbols go through four lanes in three rounds, and the next batch begins when the last is done.
    assert told.seconds == told.lanes_seconds == pytest.approx(0.6)


def test_the_pages_of_one_symbol_follow_each_other() -> None:
    assert lanes_makespan_seconds([[5, 1]], Lanes(1, 2, 10), 0.1) == pytest.approx(0.5)


def test_all_windows_hold_at_once() -> None:
    told = foretell([1] * 100, ["50/1s", "90/30s"], timed(0.1, 0.1))
    assert told.bound_by == "90/30s"
    assert told.seconds == pytest.approx(30.1 + 0.1, rel=0.01)


def test_a_weight_is_what_a_window_of_weight_counts() -> None:
    told = forecast(held(*[1] * 6), WIDE, [RateLimit.parse("10w/1s")], 5, NOTHING_TIMED, None)
    assert (told.requests, told.weight) == (6, 30)
    assert told.seconds == pytest.approx(2.0, rel=0.01)
    with pytest.raises(PermitImpossible):
        forecast(held(1), WIDE, [RateLimit.parse("10w/1s")], 11, NOTHING_TIMED, None)


def test_without_recorded_times_the_forecast_is_a_lower_bound_and_says_so() -> None:
    told = foretell([1] * 31)
    assert told.is_lower_bound
    assert told.as_json()["seconds_is_lower_bound"] is True
    assert told.seconds == pytest.approx(2.0, rel=0.01)
    assert not foretell([1], pace=timed(0.1, 0.1)).is_lower_bound


def test_what_is_all_there_takes_nothing() -> None:
    told = foretell([0, 0, 0])
    assert (told.requests, told.weight, told.seconds, told.bound_by) == (0, 0, 0.0, "")
    assert (told.symbols_total, told.symbols_complete) == (3, 3)
    assert not told.is_lower_bound


def test_a_job_too_long_to_rehearse_is_forecast_by_its_greatest_bound() -> None:
    long = foretell([MOST_REHEARSED // 100 + 1] * 100, pace=timed(0.05, 0.06))
    assert long.seconds == long.seconds_by_limit["15/1s"]


def test_every_missing_span_is_cut_into_pages_of_its_own() -> None:
    span = TimeSpan(0, 30 * MINUTE_MS)
    hole = Coverage.from_runs(span, [span.intersect(TimeSpan(10 * MINUTE_MS, 12 * MINUTE_MS))], [])
    full = Coverage.from_runs(span, [span], [TimeSpan(0, 15 * MINUTE_MS)])
    told = SymbolsHeld.from_coverages([hole, full], span.end_ms, MINUTE_MS, bars_per_page=9)
    # Ten minutes before the two confirmed empty are two pages of nine, eighteen after them are two more.
    assert told.pages == (4, 0)
    assert (told.bars_stored, told.bars_empty, told.bars_missing) == (15, 17, 28)


def test_bars_are_expected_as_densely_as_they_came_so_far() -> None:
    assert SymbolsHeld((1,), bars_stored=50, bars_empty=150, bars_missing=100).bars_expected == 25
    assert SymbolsHeld((1,), bars_stored=0, bars_empty=0, bars_missing=100).bars_expected == 100


def test_bytes_are_as_measured_or_else_a_stated_guess() -> None:
    told = forecast(held(1), WIDE, [FIFTEEN], 1, NOTHING_TIMED, 8.5)
    assert (told.bytes_expected, told.bytes_are_measured) == (8500, True)
    told = forecast(held(1), WIDE, [FIFTEEN], 1, NOTHING_TIMED, None)
    assert (told.bytes_expected, told.bytes_are_measured) == (round(1000 * BYTES_PER_BAR), False)


def test_paces_add_up() -> None:
    both = Pace(1, 0.1, 0.2) + Pace(3, 0.1, 0.4)
    assert (both.mean_call_seconds, both.mean_page_seconds) == (pytest.approx(0.05), pytest.approx(0.15))
    assert not NOTHING_TIMED
    assert NOTHING_TIMED.mean_call_seconds == NOTHING_TIMED.mean_page_seconds == 0.0


def test_a_cold_start_does_not_make_the_typical_pace_slower() -> None:
    cold, warm, asked_nothing = Pace(10, 12.0, 20.0), Pace(10, 1.0, 2.0), Pace()
    typical = typical_pace([cold, cold, warm, asked_nothing, warm])
    assert (typical.requests, typical.mean_call_seconds) == (40, pytest.approx(0.1))
    assert typical.mean_page_seconds == pytest.approx(0.2)
    assert typical_pace([asked_nothing]) == NOTHING_TIMED
