"""Bars to store: generated minutes of a stock and of a crypto pair, and recorded days of five stocks."""

from __future__ import annotations

import json

import numpy as np
from numpy.typing import NDArray

from adapters.brokers.binance.klines import parse_klines
from adapters.simulator.recorded import load_recorded
from domain.candles.candles import Candles
from domain.candles.dataset import Dataset, Interval

MINUTE_MS = 60_000
DAY_MS = 86_400_000
NEW_YEAR_MS = 1_704_067_200_000
SESSION_OPENS_AT_MINUTE = 14 * 60 + 30
SESSION_MINUTES = 390
MINUTES = Dataset("bench", "CRYPTO", Interval("1m"))
STOCK = Dataset("bench", "STOCK", Interval("1m"))
_TRADES_A_BAR = 10


def crypto_minutes(days: int) -> Candles:
    """A pair at 62,000.00 that never rests; volumes with five decimals, and what Binance adds."""
    rng = np.random.default_rng(2)
    times = NEW_YEAR_MS + np.arange(days * 1440, dtype=np.int64) * MINUTE_MS
    prices = _walk(rng, len(times), 62_000.0, 0.0005)
    high, low = prices["high"], prices["low"]
    volume = np.round(rng.lognormal(2.3, 0.9, len(times)), 5)
    paid = low + (high - low) * np.clip(rng.normal(0.5, 0.15, len(times)), 0, 1)
    taker = np.round(volume * np.clip(rng.normal(0.5, 0.15, len(times)), 0.01, 0.99), 5)
    extras = {
        "quote_volume": np.round(volume * paid, 7),
        "trade_count": np.round(40 * volume * rng.lognormal(0, 0.3, len(times))).astype(np.int64) + 1,
        "taker_buy_base_volume": taker,
        "taker_buy_quote_volume": np.round(taker * paid * (1 + rng.normal(0, 5e-5, len(times))), 7),
    }
    return Candles.from_columns({"open_time_ms": times, **prices, "volume": volume, **extras})


def stock_minutes(days: int) -> Candles:
    """A stock at 187.00 in sessions of 390 minutes on weekdays; whole shares."""
    rng = np.random.default_rng(1)
    weekdays = [day for day in range(days) if (day + 1) % 7 not in (6, 0)]
    session = (SESSION_OPENS_AT_MINUTE + np.arange(SESSION_MINUTES, dtype=np.int64)) * MINUTE_MS
    times = np.concatenate([NEW_YEAR_MS + day * DAY_MS + session for day in weekdays])
    prices = _walk(rng, len(times), 187.0, 0.0006)
    volume = np.round(rng.lognormal(10.5, 0.8, len(times)))
    return Candles.from_columns({"open_time_ms": times, **prices, "volume": volume})


def recorded_days() -> dict[str, Candles]:
    """Thirteen years of daily bars each, as they were traded; nothing where the package is not installed."""
    found = {}
    for symbol, recorded in load_recorded().items():
        raw = parse_klines([json.loads(row) for row in recorded.rows], len(recorded.rows))
        columns = {name: column for name, column in raw.columns().items() if name not in raw.extras}
        found[symbol] = Candles.from_columns(columns)
    return found


def core_of(candles: Candles) -> Candles:
    """The candles without the broker's extra columns."""
    columns = candles.columns()
    return Candles.from_columns({name: column for name, column in columns.items() if name not in candles.extras})


def revised(candles: Candles) -> Candles:
    """The same bars after the broker has corrected every volume."""
    return Candles.from_columns({**candles.columns(), "volume": candles.volume + 1})


def _walk(rng: np.random.Generator, bars: int, start: float, spread: float) -> dict[str, NDArray[np.float64]]:
    """Prices with two decimals; nine bars of ten open where the last one closed."""
    spreads = spread * rng.lognormal(0, 0.4, bars) / np.sqrt(_TRADES_A_BAR)
    steps = rng.normal(0, 1, (bars, _TRADES_A_BAR)) * spreads[:, None]
    traded = np.round(start * np.exp(np.cumsum(steps.ravel())), 2).reshape(bars, _TRADES_A_BAR)
    opens, closes = traded[:, 0].copy(), traded[:, -1]
    opens[1:] = np.where(rng.random(bars - 1) < 0.9, closes[:-1], opens[1:])
    return {
        "open": opens,
        "high": np.maximum(traded.max(axis=1), opens),
        "low": np.minimum(traded.min(axis=1), opens),
        "close": closes,
    }
