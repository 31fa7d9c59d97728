"""Candles: one symbol's OHLCV bars as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from domain.spans.time_span import TimeSpan

Column: TypeAlias = NDArray[np.float64] | NDArray[np.int64]

PRICE_COLUMNS = ("open", "high", "low", "close")
CORE_COLUMNS = (*PRICE_COLUMNS, "volume")
_DTYPES = {"open_time_ms": (np.dtype(np.int64),), **{name: (np.dtype(np.float64),) for name in CORE_COLUMNS}}


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
        clashing = self.extras.keys() & {"open_time_ms", *CORE_COLUMNS}
        if clashing:
            raise ValueError(f"an extra column cannot be named {min(clashing)}: that is a column of every candle")
        for name, column in self.columns().items():
            if column.ndim != 1 or len(column) != len(self.open_time_ms):
                raise ValueError(f"column {name} has shape {column.shape}, not ({len(self.open_time_ms)},)")
            allowed = _DTYPES.get(name, (np.dtype(np.float64), np.dtype(np.int64)))
            if column.dtype not in allowed:
                raise ValueError(f"column {name} must be {allowed[0]}, not {column.dtype}")

    def columns(self) -> dict[str, Column]:
        """Every column by name: open_time_ms, open, high, low, close, volume, then the extras."""
        core = {name: getattr(self, name) for name in CORE_COLUMNS}
        return {"open_time_ms": self.open_time_ms, **core, **self.extras}

    def dtypes(self) -> dict[str, np.dtype[Any]]:
        """The type of every column by name, in the order of `columns`."""
        return {name: column.dtype for name, column in self.columns().items()}

    def copy_into(self, columns: Mapping[str, Column]) -> None:
        """Write every column into the one of its name there: as long as this is, and of the same type."""
        for name, column in self.columns().items():
            columns[name][:] = column

    @classmethod
    def from_columns(cls, columns: Mapping[str, Column]) -> Self:
        """Build from what `columns()` gives."""
        known = {"open_time_ms", *CORE_COLUMNS}
        extras = {name: column for name, column in columns.items() if name not in known}
        core = {name: np.asarray(columns[name], np.float64) for name in CORE_COLUMNS}
        return cls(open_time_ms=np.asarray(columns["open_time_ms"], np.int64), extras=extras, **core)

    @classmethod
    def empty(cls) -> Self:
        """No bars."""
        return cls.from_columns({name: np.empty(0) for name in ("open_time_ms", *CORE_COLUMNS)})

    def take(self, selection: NDArray[np.bool_] | NDArray[np.int64] | slice) -> Self:
        """The bars that a mask, positions (ascending ones for sorted candles) or a slice choose."""
        return self.from_columns({name: column[selection] for name, column in self.columns().items()})

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
    def concatenate(cls, parts: Sequence[Candles]) -> Candles:
        """Parts that follow each other in time as one; ValueError when they overlap. Extras as in `merge`."""
        filled = [part for part in parts if len(part)]
        return cls.from_columns(stack(filled)) if filled else cls.empty()

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
        stacked = stack([self, newer])
        if newer.open_time_ms[0] > self.open_time_ms[-1]:
            return Candles.from_columns(stacked)
        times = stacked["open_time_ms"]
        order = np.argsort(times, kind="stable")
        last_of_each = np.append(np.diff(times[order]) > 0, True)
        chosen = order[last_of_each]
        return Candles.from_columns({name: column[chosen] for name, column in stacked.items()})

    def identical(self, other: Candles) -> bool:
        """Whether both hold the same columns, bit for bit (NaN equals NaN, 0.0 differs from -0.0)."""
        mine, theirs = self.columns(), other.columns()
        return mine.keys() == theirs.keys() and all(
            mine[name].dtype == theirs[name].dtype and mine[name].tobytes() == theirs[name].tobytes() for name in mine
        )


def stack(parts: Sequence[RawCandles]) -> dict[str, Column]:
    """The columns of all parts, one part after another; a column that a part lacks is NaN there, or 0."""
    columns = [part.columns() for part in parts]
    dtypes = {name: column.dtype for of_part in columns for name, column in of_part.items()}
    return {
        name: np.concatenate(
            [
                of_part[name] if name in of_part else _missing(dtype, len(part))
                for part, of_part in zip(parts, columns, strict=True)
            ]
        )
        for name, dtype in dtypes.items()
    }


def _missing(dtype: np.dtype[Any], length: int) -> Column:
    return np.zeros(length, np.int64) if dtype == np.int64 else np.full(length, np.nan)
