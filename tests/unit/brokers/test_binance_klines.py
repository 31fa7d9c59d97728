"""Rows of twelve become columns, or it is said which row is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from adapters.brokers.binance.klines import WrongKlines, parse_klines

ROW: list[Any] = [
    1499040000000, "0.01634790", "0.80000000", "0.01575800", "0.01577100", "148976.11427815", 1499126399999,
    "2434.19055334", 308, "1756.87402397", "28.46694368", "0",
]  # fmt: skip


def changed(position: int, value: Any) -> list[Any]:
    return [*ROW[:position], value, *ROW[position + 1 :]]


def test_every_column_the_exchange_gives_is_kept_as_given() -> None:
    candles = parse_klines([ROW, changed(0, 1499126400000)], 2)
    assert {name: column[0] for name, column in candles.columns().items()} == {
        "open_time_ms": 1499040000000,
        "open": 0.01634790,
        "high": 0.8,
        "low": 0.015758,
        "close": 0.015771,
        "volume": 148976.11427815,
        "quote_volume": 2434.19055334,
        "trade_count": 308,
        "taker_buy_base_volume": 1756.87402397,
        "taker_buy_quote_volume": 28.46694368,
    }
    assert candles.extras["trade_count"].dtype == np.int64
    assert candles.open_time_ms.tolist() == [1499040000000, 1499126400000]


def test_no_rows_are_no_candles() -> None:
    candles = parse_klines([], 1000)
    assert len(candles) == 0
    assert set(candles.extras) == {"quote_volume", "trade_count", "taker_buy_base_volume", "taker_buy_quote_volume"}


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({"code": 0}, "a list of klines was promised"),
        ([ROW, ROW[:11]], "row 1 is not 12 values"),
        ([ROW, [*ROW, "0"]], "row 1 is not 12 values"),
        ([ROW, "row"], "row 1 is not 12 values"),
        ([ROW, ROW, ROW], "3 klines came where 2 were requested"),
        ([ROW, changed(2, "much")], "row 1: high is 'much'"),
        ([ROW, changed(4, None)], "row 1: close is None"),
        ([ROW, changed(5, True)], "row 1: volume is True"),
        ([ROW, changed(1, ["1"])], r"row 1: open is \['1'\]"),
        ([ROW, changed(0, "1499040000000")], "row 1: open_time_ms is '1499040000000'"),
        ([ROW, changed(0, 2**63)], "row 1: open_time_ms is 9223372036854775808"),
        ([ROW, changed(8, 3.5)], "row 1: trade_count is 3.5"),
        ([ROW, changed(3, 10**400)], "row 1: low is 1000"),
    ],
)
def test_what_is_not_klines_is_named(payload: Any, message: str) -> None:
    with pytest.raises(WrongKlines, match=message):
        parse_klines(payload, 2)
