"""Candles: one symbol's OHLCV bars as columns; Interval: how long a bar is; Dataset: whose they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from domain.timespan import TimeSpan

Column: TypeAlias = NDArray[np.float64] | NDArray[np.int64]

PRICE_COLUMNS = ("open", "high", "low", "close")
CORE_COLUMNS = (*PRICE_COLUMNS, "volume")
_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_PATTERN = re.compile(r"^(\d+)([smhdw])$")


@dataclass(frozen=True, slots=True)
class Interval:
    """The length of a bar, as brokers write it: "1m", "4h", "1d"."""

    name: str

    def __post_init__(self) -> None:
        match = _PATTERN.match(self.name)
        if not match or int(match[1]) == 0:
            raise ValueError(f'{self.name!r} is not an interval: write a count and one of s m h d w, like "1m" or "1d"')

    @property
    def duration_ms(self) -> int:
        return int(self.name[:-1]) * _UNIT_MS[self.name[-1]]

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Dataset:
    """What makes two candles comparable: broker, symbol, interval, adjustment and the grid's anchor.

    Bars open at `anchor_ms + n * interval`; a broker whose days do not begin at midnight UTC, or whose
    weeks begin on Monday, has an anchor of its own.
    """

    broker: str
    symbol: str
    interval: Interval
    adjustment: str = "raw"
    anchor_ms: int = 0

    def floor_ms(self, moment_ms: int) -> int:
        """The opening of the bar that holds the moment."""
        return moment_ms - (moment_ms - self.anchor_ms) % self.interval.duration_ms

    def ceil_ms(self, moment_ms: int) -> int:
        """The first opening at or after the moment."""
        return (
            -((-moment_ms + self.anchor_ms) // self.interval.duration_ms) * self.interval.duration_ms + self.anchor_ms
        )

    def align(self, span: TimeSpan) -> TimeSpan:
        """The same openings, with both ends on the grid: [12:00:30, 12:02:01) by minutes is [12:01, 12:03)."""
        start_ms = self.ceil_ms(span.start_ms)
        return TimeSpan(start_ms, max(start_ms, self.ceil_ms(span.end_ms)))

    def bars_in(self, span: TimeSpan) -> int:
        """How many openings the span holds."""
        return self.align(span).duration_ms // self.interval.duration_ms


@dataclass(frozen=True, eq=False)
class RawCandles:
    """Bars as a broker sent them: columns of one length, in any order, nothing checked yet.

    `extras` holds what the broker adds (quote volume, trade count, ...), float64 or int64.
    """

    open_time_ms: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    extras: Mapping[str, Column] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, column in self.columns().items():
            if column.ndim != 1 or len(column) != len(self.open_time_ms):
                raise ValueError(f"column {name} has shape {column.shape}, not ({len(self.open_time_ms)},)")
        if self.open_time_ms.dtype != np.int64:
            raise ValueError(f"open_time_ms must be int64, not {self.open_time_ms.dtype}")

    def columns(self) -> dict[str, Column]:
        """Every column by name: open_time_ms, open, high, low, close, volume, then the extras."""
        core = {name: getattr(self, name) for name in CORE_COLUMNS}
        return {"open_time_ms": self.open_time_ms, **core, **self.extras}

    def __len__(self) -> int:
        return len(self.open_time_ms)


@dataclass(frozen=True, eq=False)
class Candles(RawCandles):
    """Bars sorted by opening, each opening once; building one out of order raises ValueError."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self) > 1 and not bool(np.all(np.diff(self.open_time_ms) > 0)):
            raise ValueError("candles must be sorted by open_time_ms, each opening once")

    @classmethod
    def from_columns(cls, columns: Mapping[str, Column]) -> Candles:
        """Build from what `columns()` gives."""
        known = {"open_time_ms", *CORE_COLUMNS}
        extras = {name: column for name, column in columns.items() if name not in known}
        return cls(
            np.asarray(columns["open_time_ms"], np.int64),
            *(np.asarray(columns[name], np.float64) for name in CORE_COLUMNS),
            extras=extras,
        )

    @classmethod
    def empty(cls) -> Candles:
        """No bars."""
        return cls(np.empty(0, np.int64), *(np.empty(0) for _ in CORE_COLUMNS))

    def take(self, selection: NDArray[np.bool_] | NDArray[np.int64] | slice) -> Candles:
        """The bars that a mask, ascending positions or a slice choose."""
        return Candles.from_columns({name: column[selection] for name, column in self.columns().items()})

    def within(self, span: TimeSpan) -> Candles:
        """The bars that open inside the span."""
        first, last = np.searchsorted(self.open_time_ms, [span.start_ms, span.end_ms])
        return self.take(slice(int(first), int(last)))

    def merge(self, newer: Candles) -> Candles:
        """Both together; where both have an opening, the newer bar wins.

        An extra column that only one of the two has is NaN (or 0 for whole numbers) for the other's bars.
        """
        if not len(self) or not len(newer):
            return newer if len(newer) else self
        times = np.concatenate([self.open_time_ms, newer.open_time_ms])
        order = np.argsort(times, kind="stable")
        last_of_each = np.append(np.diff(times[order]) > 0, True)
        chosen = order[last_of_each]
        mine, theirs = self.columns(), newer.columns()
        return Candles.from_columns(
            {
                name: np.concatenate(
                    [_or_missing(mine, name, theirs, len(self)), _or_missing(theirs, name, mine, len(newer))]
                )[chosen]
                for name in {**mine, **theirs}
            }
        )

    def identical(self, other: Candles) -> bool:
        """Whether both hold the same columns, bit for bit (NaN equals NaN, 0.0 differs from -0.0)."""
        mine, theirs = self.columns(), other.columns()
        return mine.keys() == theirs.keys() and all(
            mine[name].dtype == theirs[name].dtype and mine[name].tobytes() == theirs[name].tobytes() for name in mine
        )


def _or_missing(columns: Mapping[str, Column], name: str, others: Mapping[str, Column], length: int) -> Column:
    if name in columns:
        return columns[name]
    dtype = others[name].dtype
    return np.full(length, np.nan if dtype.kind == "f" else 0, dtype)
