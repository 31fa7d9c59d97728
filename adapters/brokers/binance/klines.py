"""Reading klines: Binance's rows of twelve, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.candles.candles import RawCandles

_COLUMNS = (
    "open_time_ms", "open", "high", "low", "close", "volume", "close_time_ms",
    "quote_volume", "trade_count", "taker_buy_base_volume", "taker_buy_quote_volume", "unused",
)  # fmt: skip
"""Source: Binance Spot API, "Kline/Candlestick data", response."""


class WrongKlines(ValueError):
    """The payload is not a list of klines; the message names the first mistake."""


def parse_klines(payload: Any, most_rows: int) -> RawCandles:
    """Read the rows into columns in the given order; only their shape and type are checked.

    Prices and volumes come as decimal strings (numbers are taken too), times and counts as integers.
    Raises WrongKlines naming the first row and column at fault.
    """
    if not isinstance(payload, list):
        raise WrongKlines(f"a list of klines was promised, not {_brief(payload)}")
    if len(payload) > most_rows:
        raise WrongKlines(f"{len(payload)} klines came where {most_rows} were requested")
    for index, row in enumerate(payload):
        if not isinstance(row, list) or len(row) != len(_COLUMNS):
            raise WrongKlines(f"row {index} is not {len(_COLUMNS)} values: {_brief(row)}")
    columns = dict(zip(_COLUMNS, zip(*payload, strict=True) if payload else [()] * len(_COLUMNS), strict=True))
    return RawCandles(
        _integers("open_time_ms", columns["open_time_ms"]),
        _floats("open", columns["open"]),
        _floats("high", columns["high"]),
        _floats("low", columns["low"]),
        _floats("close", columns["close"]),
        _floats("volume", columns["volume"]),
        extras={
            "quote_volume": _floats("quote_volume", columns["quote_volume"]),
            "trade_count": _integers("trade_count", columns["trade_count"]),
            "taker_buy_base_volume": _floats("taker_buy_base_volume", columns["taker_buy_base_volume"]),
            "taker_buy_quote_volume": _floats("taker_buy_quote_volume", columns["taker_buy_quote_volume"]),
        },
    )


def _floats(name: str, values: Sequence[Any]) -> NDArray[np.float64]:
    if not {type(value) for value in values} <= {str, int, float}:
        raise _wrong_value(name, values, _is_number)
    try:
        return np.array(values, np.float64)
    except (ValueError, OverflowError) as error:
        raise _wrong_value(name, values, _is_number) from error


def _integers(name: str, values: Sequence[Any]) -> NDArray[np.int64]:
    if not {type(value) for value in values} <= {int}:
        raise _wrong_value(name, values, _is_integer)
    try:
        return np.array(values, np.int64)
    except OverflowError as error:
        raise _wrong_value(name, values, _is_integer) from error


def _wrong_value(name: str, values: Sequence[Any], is_right: Any) -> WrongKlines:
    index = next((index for index, value in enumerate(values) if not is_right(value)), 0)
    return WrongKlines(f"row {index}: {name} is {_brief(values[index])}, not a number as promised")


def _is_number(value: Any) -> bool:
    if type(value) not in (str, int, float):
        return False
    try:
        float(value)
    except (ValueError, OverflowError):
        return False
    return True


def _is_integer(value: Any) -> bool:
    return type(value) is int and -(2**63) <= value < 2**63


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
