"""Validation: each rule refuses what it should, and nothing is lost without a word."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.grids import calendar_grid
from domain.candles.candles import Candles, RawCandles
from domain.candles.dataset import Dataset, Interval
from domain.candles.validation import CONFLICTING_DUPLICATE, DUPLICATE, ValidatedCandles, obeys_the_rules, validate
from domain.spans.time_span import TimeSpan

MINUTE_MS = 60_000
DATASET = Dataset("memory", "A", Interval("1m"))
SPAN = TimeSpan(0, 10 * MINUTE_MS)
LATER_MS = 100 * MINUTE_MS
GOOD = {"open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0, "volume": 5.0}


def bar(minute: float, **changed: float) -> dict[str, float]:
    return {"open_time_ms": int(minute * MINUTE_MS), **GOOD, **changed}


def judge(*bars: dict[str, float], closed_before_ms: int = LATER_MS, dataset: Dataset = DATASET) -> ValidatedCandles:
    return validate(raw(bars), dataset, SPAN, closed_before_ms)


def raw(bars: Iterable[Mapping[str, float]]) -> RawCandles:
    bars = list(bars)
    columns = {name: np.array([bar[name] for bar in bars], np.float64) for name in GOOD}
    return RawCandles(open_time_ms=np.array([bar["open_time_ms"] for bar in bars], np.int64), **columns)


def rows(candles: Candles) -> list[dict[str, float]]:
    columns = {name: column.tolist() for name, column in candles.columns().items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def minutes(candles: Candles) -> list[int]:
    return (candles.open_time_ms // MINUTE_MS).tolist()


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (bar(1, low=10.5), "low is above open or close"),
        (bar(1, low=11.5, open=12.0), "low is above open or close"),
        (bar(1, high=10.5), "high is below open or close"),
        (bar(1, high=math.nan), "a price is not a finite number"),
        (bar(1, close=math.inf), "a price is not a finite number"),
        (bar(1, low=0.0), "a price is not positive"),
        (bar(1, low=-1.0), "a price is not positive"),
        (bar(1, volume=-0.5), "volume is negative"),
        (bar(1, volume=math.nan), "volume is not a finite number"),
        (bar(1, volume=math.inf), "volume is not a finite number"),
        (bar(1.5), "opens off the grid"),
        (bar(10), "opens outside the span asked for"),
        (bar(-1), "opens outside the span asked for"),
        (bar(10**9), "opens outside the span asked for"),
    ],
)
def test_a_bar_that_breaks_a_rule_is_quarantined_with_the_reason(bad: dict[str, float], reason: str) -> None:
    result = judge(bar(0), bad, bar(2))
    assert minutes(result.candles) == [0, 2]
    (refused,) = result.quarantined
    assert (refused.open_time_ms, refused.reason) == (bad["open_time_ms"], reason)
    assert repr(dict(refused.columns)) == repr({name: bad[name] for name in GOOD})
    assert result.answered == SPAN


def test_bars_at_the_very_edge_of_the_rules_are_accepted() -> None:
    flat = {"open": 1.0, "high": 1.0, "low": 1.0, "close": 1.0, "volume": 0.0}
    assert minutes(judge(bar(0, **flat), bar(9, **flat)).candles) == [0, 9]


def test_bars_in_any_order_come_out_sorted() -> None:
    assert minutes(judge(bar(3), bar(1), bar(2)).candles) == [1, 2, 3]


def test_of_exact_duplicates_one_is_kept() -> None:
    result = judge(bar(1), bar(2), bar(1), bar(1))
    assert minutes(result.candles) == [1, 2]
    assert [refused.reason for refused in result.quarantined] == [DUPLICATE, DUPLICATE]


def test_of_conflicting_duplicates_none_is_kept() -> None:
    result = judge(bar(1), bar(2), bar(1, volume=6.0), bar(1))
    assert minutes(result.candles) == [2]
    assert [refused.reason for refused in result.quarantined] == [CONFLICTING_DUPLICATE] * 3


def test_a_broken_duplicate_does_not_discredit_the_good_bar() -> None:
    result = judge(bar(1), bar(1, volume=-1.0))
    assert minutes(result.candles) == [1]
    assert [refused.reason for refused in result.quarantined] == ["volume is negative"]


def test_the_forming_bar_is_dropped_and_the_answer_ends_before_it() -> None:
    result = judge(bar(4), bar(5), bar(6), closed_before_ms=6 * MINUTE_MS + 1)
    assert minutes(result.candles) == [4, 5]
    assert (result.forming, result.quarantined) == (1, ())
    assert result.answered == TimeSpan(0, 6 * MINUTE_MS)


def test_a_bar_that_closes_this_very_moment_is_final() -> None:
    result = judge(bar(5), closed_before_ms=6 * MINUTE_MS)
    assert (minutes(result.candles), result.forming) == ([5], 0)
    assert result.answered == TimeSpan(0, 6 * MINUTE_MS)


def test_a_forming_bar_is_not_blamed_for_its_looks() -> None:
    result = judge(bar(5), bar(6, low=99.0), closed_before_ms=6 * MINUTE_MS + 1)
    assert (result.forming, result.quarantined) == (1, ())


def test_the_forming_bar_just_behind_the_span_is_no_bad_bar() -> None:
    result = judge(bar(9), bar(10), closed_before_ms=10 * MINUTE_MS + 5)
    assert (minutes(result.candles), result.forming, result.quarantined) == ([9], 1, ())


def test_nothing_is_answered_of_a_span_in_the_future() -> None:
    assert judge(closed_before_ms=-MINUTE_MS).answered == TimeSpan(0, 0)


def test_microseconds_taken_for_milliseconds_are_bad_bars_and_not_forming_ones() -> None:
    bars = [{**bar(minute), "open_time_ms": 10**15 + minute} for minute in range(5)]
    result = judge(*bars, closed_before_ms=10 * MINUTE_MS)
    assert (result.forming, len(result.quarantined)) == (0, 5)
    assert result.is_mostly_bad


def test_a_page_is_mostly_bad_when_more_than_half_of_it_is_refused() -> None:
    bad = [bar(minute, volume=-1.0) for minute in range(5)]
    assert not judge(*bad, *(bar(minute) for minute in range(5, 10))).is_mostly_bad
    assert judge(*bad, *(bar(minute) for minute in range(6, 10))).is_mostly_bad
    assert not judge().is_mostly_bad


def test_a_grid_with_an_anchor_of_its_own_is_followed() -> None:
    anchored = Dataset.fixed("memory", "A", Interval("1m"), anchor_ms=-MINUTE_MS // 2)
    result = judge(bar(0.5), bar(1), bar(1.5), dataset=anchored)
    assert result.candles.open_time_ms.tolist() == [MINUTE_MS // 2, 3 * MINUTE_MS // 2]
    assert [refused.reason for refused in result.quarantined] == ["opens off the grid"]


DAYS = Dataset(
    "memory", "A", Interval("1d"), grid=calendar_grid(Interval("1d"), "America/New_York", years=(2024, 2025))
)
SPRING = DAYS.align(TimeSpan(1_709_874_000_000, 1_710_302_400_000))  # Friday the 8th to Tuesday the 12th of March


def of_days(*offsets_ms: int, closed_before_ms: int = 2**53) -> ValidatedCandles:
    """Bars of the days of spring, each put off by so much."""
    opens = DAYS.openings([SPRING])
    bars = [{**bar(0), "open_time_ms": int(opening) + off} for opening, off in zip(opens, offsets_ms, strict=False)]
    return validate(raw(bars), DAYS, SPRING, closed_before_ms)


def test_days_of_23_hours_are_on_the_grid_and_what_is_beside_it_is_named() -> None:
    assert len(of_days(0, 0, 0, 0, 0).candles) == len(DAYS.openings([SPRING])) == 5
    judged = of_days(0, 0, 0, 3_600_000, 0)
    assert len(judged.candles) == 4
    assert [refused.reason for refused in judged.quarantined] == ["opens off the grid"]


@pytest.mark.parametrize(("after_ms", "final"), [(-1, 2), (0, 3), (1, 3), (24 * 3_600_000, 4)])
def test_a_bar_of_a_calendar_is_forming_until_its_own_end(after_ms: int, final: int) -> None:
    sunday_ends_ms = int(DAYS.openings([SPRING])[3])
    judged = of_days(0, 0, 0, 0, 0, closed_before_ms=sunday_ends_ms + after_ms)
    assert len(judged.candles) == final
    assert (judged.forming, judged.quarantined) == (5 - final, ())
    assert judged.answered == TimeSpan(SPRING.start_ms, int(DAYS.openings([SPRING])[final]))


def test_opening_times_at_the_ends_of_int64_are_refused_and_do_not_overflow() -> None:
    extremes = [{**bar(0), "open_time_ms": time} for time in (-(2**63), 2**63 - 1)]
    assert [refused.reason for refused in judge(*extremes).quarantined] == ["opens outside the span asked for"] * 2


numbers = st.sampled_from([1.0, 2.0, 3.0, 0.0, -1.0, math.nan, math.inf])
any_bars = st.lists(
    st.fixed_dictionaries(
        {
            "open_time_ms": st.integers(-2, 24).map(lambda half: half * MINUTE_MS // 2),
            **dict.fromkeys(GOOD, numbers),
        }
    ),
    max_size=20,
)


@given(any_bars, st.integers(0, 12).map(lambda minute: minute * MINUTE_MS))
def test_every_bar_is_kept_refused_or_forming_and_what_is_kept_obeys_the_rules(
    bars: list[dict[str, float]], closed_before_ms: int
) -> None:
    result = judge(*bars, closed_before_ms=closed_before_ms)
    kept = result.candles
    assert len(kept) + len(result.quarantined) + result.forming == len(bars)
    assert all(opening in result.answered for opening in kept.open_time_ms.tolist())
    assert np.all(kept.low > 0)
    assert np.all(np.isfinite(kept.high) & np.isfinite(kept.volume) & (kept.volume >= 0))
    assert np.all((kept.low <= kept.open) & (kept.low <= kept.close))
    assert np.all((kept.open <= kept.high) & (kept.close <= kept.high))
    sent = Counter(repr(sorted(bar.items())) for bar in bars)
    for one in result.quarantined:
        assert sent[repr(sorted({"open_time_ms": one.open_time_ms, **dict(one.columns)}.items()))]


@given(any_bars, st.integers(0, 12).map(lambda minute: minute * MINUTE_MS))
def test_the_quick_look_at_a_clean_page_lets_through_what_the_rules_let_through(
    bars: list[dict[str, float]], closed_before_ms: int
) -> None:
    kept = validate(raw(bars), DATASET, SPAN, closed_before_ms).candles
    again = validate(kept, DATASET, SPAN, closed_before_ms)
    with_a_bad_bar = raw([*({**row} for row in rows(kept)), bar(99)])
    slowly = validate(with_a_bad_bar, DATASET, SPAN, closed_before_ms)
    assert again.candles.identical(kept)
    assert slowly.candles.identical(kept)
    assert (again.quarantined, len(slowly.quarantined)) == ((), 1)


def test_every_rule_is_looked_at_in_a_page_that_is_otherwise_clean() -> None:
    breaking = [
        {"low": 10.5}, {"low": 11.5, "open": 12.0}, {"high": 10.5}, {"high": math.inf}, {"low": 0.0}, {"low": math.nan},
        {"open": math.nan}, {"close": math.nan}, {"high": math.nan}, {"volume": math.nan}, {"volume": -0.5},
        {"volume": math.inf},
    ]  # fmt: skip
    for changed in breaking:
        assert len(judge(bar(0), bar(1, **changed), bar(2)).quarantined) == 1, changed


def test_refused_bars_are_counted_by_their_reasons() -> None:
    result = judge(bar(1), bar(2, volume=-1.0), bar(3, volume=-2.0), bar(4, low=99.0))
    assert result.reasons == {"volume is negative": 2, "low is above open or close": 1}


def test_a_refused_bar_has_come_and_one_from_elsewhere_has_not() -> None:
    result = judge(bar(1), bar(2, volume=-1.0), bar(50))
    assert (result.openings // MINUTE_MS).tolist() == [1, 2]


def test_a_price_may_be_negative_where_the_broker_says_so_and_nowhere_else() -> None:
    spread = [bar(0, open=-2.0, high=-1.0, low=-3.0, close=-1.5)]
    refused = validate(raw(spread), DATASET, SPAN, SPAN.end_ms)
    assert [one.reason for one in refused.quarantined] == ["a price is not positive"]
    kept = validate(raw(spread), DATASET, SPAN, SPAN.end_ms, may_be_negative=True)
    assert kept.candles.low.tolist() == [-3.0]
    assert obeys_the_rules(kept.candles, DATASET, SPAN)
