"""The simulated market: sane candles, the same however they are asked for."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.simulator.market import DURATIONS_MS, KlinesQuery, Market, UnknownInterval, UnknownSymbol

NOW_MS = 1_700_000_030_500
MARKET = Market(unknown_symbols=["GONE"])


def ask(
    symbol: str, interval: str, start_ms: int | None, end_ms: int | None, limit: int = 1000, now_ms: int = NOW_MS
) -> list[list[object]]:
    rows = MARKET.klines(KlinesQuery(symbol, interval, start_ms, end_ms, limit), now_ms)
    return json.loads(f"[{','.join(rows)}]")


@given(st.sampled_from(sorted(DURATIONS_MS)), st.integers(0, NOW_MS), st.text("ABC123", min_size=1, max_size=6))
@settings(max_examples=60)
def test_generated_bars_are_sane_and_follow_each_other(interval: str, start_ms: int, symbol: str) -> None:
    rows = ask(symbol, interval, start_ms, None, limit=50)
    duration_ms = DURATIONS_MS[interval]
    for row, following in zip(rows, [*rows[1:], None], strict=False):
        opening, high, low, closing, volume = (float(str(value)) for value in row[1:6])
        assert 0 < low <= min(opening, closing) <= max(opening, closing) <= high
        assert volume >= 0
        assert row[6] == row[0] + duration_ms - 1
        assert len(row) == 12
        assert following is None or (following[0], following[1]) == (row[0] + duration_ms, row[4])


@given(st.integers(0, 300), st.integers(1, 300), st.integers(1, 100))
@settings(max_examples=40)
def test_paging_does_not_change_what_is_generated(first: int, count: int, page: int) -> None:
    hour_ms = DURATIONS_MS["1h"]
    start_ms, end_ms = first * hour_ms, (first + count) * hour_ms - 1
    whole = ask("SIM001", "1h", start_ms, end_ms)
    pages = [
        row
        for at_ms in range(start_ms, end_ms, page * hour_ms)
        for row in ask("SIM001", "1h", at_ms, min(end_ms, at_ms + page * hour_ms - 1))
    ]
    assert pages == whole
    assert len(whole) == count


def test_generated_candles_are_the_same_on_every_machine() -> None:
    rows = MARKET.klines(KlinesQuery("BTCUSDT", "1m", 1_600_000_020_000, None, 1000), NOW_MS)
    assert hashlib.sha256("".join(rows).encode()).hexdigest()[:16] == "2932470340980551"


def test_different_symbols_have_different_candles() -> None:
    assert ask("SIM001", "1d", 0, None, 5) != ask("SIM002", "1d", 0, None, 5)


def test_the_forming_bar_is_served_as_it_looks_now_and_nothing_beyond_it() -> None:
    minute_ms = DURATIONS_MS["1m"]
    forming = ask("SIM001", "1m", NOW_MS - 10 * minute_ms, NOW_MS + 10 * minute_ms)[-1]
    assert forming[0] == NOW_MS - NOW_MS % minute_ms
    later = ask("SIM001", "1m", forming[0], forming[0], now_ms=NOW_MS + minute_ms)[0]
    assert float(forming[5]) < float(later[5])
    assert forming[1] == later[1]


def test_both_ends_of_a_query_belong_to_it() -> None:
    day_ms = DURATIONS_MS["1d"]
    assert [row[0] for row in ask("SIM001", "1d", 10 * day_ms, 12 * day_ms)] == [10 * day_ms, 11 * day_ms, 12 * day_ms]
    assert [row[0] for row in ask("SIM001", "1d", 10 * day_ms + 1, 12 * day_ms - 1)] == [11 * day_ms]


@pytest.mark.parametrize("symbol", ["SIM001", "AAPL"])
def test_without_a_start_the_latest_bars_come(symbol: str) -> None:
    end_ms = int(datetime(2012, 6, 29, tzinfo=UTC).timestamp() * 1000)
    rows = ask(symbol, "1d", None, end_ms, limit=3)
    assert len(rows) == 3
    assert rows[-1][0] == end_ms


def test_weeks_open_on_mondays() -> None:
    opening = ask("SIM001", "1w", 1_600_000_000_000, None, limit=1)[0][0]
    assert datetime.fromtimestamp(opening / 1000, UTC).strftime("%A %H:%M") == "Monday 00:00"


def test_recorded_days_are_served_as_they_were_traded() -> None:
    start_ms = int(datetime(2000, 3, 1, tzinfo=UTC).timestamp() * 1000)
    rows = ask("AAPL", "1d", start_ms, start_ms + 6 * DURATIONS_MS["1d"])
    assert [datetime.fromtimestamp(row[0] / 1000, UTC).day for row in rows] == [1, 2, 3, 6, 7]
    assert [float(value) for value in rows[0][1:6]] == [118.56, 132.06, 118.5, 130.31, 9616100.0]


def test_the_market_says_what_was_recorded_and_what_is_generated() -> None:
    assert MARKET.recorded_symbols == ["AAPL", "FB", "GOOG", "IBM", "MSFT"]
    assert (MARKET.origin("IBM"), MARKET.origin("SIM001")) == ("recorded", "generated")


@pytest.mark.parametrize("symbol", ["GONE", "btcusdt", "", "A" * 21])
def test_a_symbol_that_is_not_listed_is_unknown(symbol: str) -> None:
    with pytest.raises(UnknownSymbol):
        ask(symbol, "1d", 0, None)


@pytest.mark.parametrize(("symbol", "interval"), [("SIM001", "7m"), ("AAPL", "1h")])
def test_an_interval_that_is_not_served_is_said_so(symbol: str, interval: str) -> None:
    with pytest.raises(UnknownInterval):
        ask(symbol, interval, 0, None)


def test_generated_symbols_can_keep_the_trading_days_of_a_recorded_one() -> None:
    market = Market(days_of="AAPL")
    start_ms = int(datetime(2012, 10, 25, tzinfo=UTC).timestamp() * 1000)
    query = KlinesQuery("DEMO01", "1d", start_ms, start_ms + 10 * DURATIONS_MS["1d"], 1000)
    rows = market.klines(query, NOW_MS)
    days = [datetime.fromtimestamp(json.loads(row)[0] / 1000, UTC).day for row in rows]
    assert days == [25, 26, 31, 1, 2]  # a weekend, and two days on which a hurricane kept New York closed
    assert set(rows) <= set(MARKET.klines(query, NOW_MS))
    assert len(market.klines(KlinesQuery("DEMO01", "1d", None, start_ms, 3), NOW_MS)) == 3
    assert market.klines(KlinesQuery("DEMO01", "1d", 0, 1, 3), NOW_MS) == []
