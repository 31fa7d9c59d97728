"""Dataset: whose candles they are, and where their bars open; Interval: how long a bar is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import numpy as np
from numpy.typing import NDArray

from domain.spans.calendar_grid import CalendarGrid
from domain.spans.grid import FixedGrid, Grid
from domain.spans.time_span import TimeSpan

_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_PATTERN = re.compile(r"^(\d+)([smhdwM])$")
_BY_THE_INTERVAL = cast(Grid, None)

PLAIN = "raw"
"""How the empty variant is written wherever it is stored: in folders, in files, and in what is hashed."""


@lru_cache(maxsize=256)
def _duration_ms(interval: str) -> int:
    if interval[-1] not in _UNIT_MS:
        raise ValueError(f"{interval} bars have no fixed length: where they open, only their calendar grid knows")
    return int(interval[:-1]) * _UNIT_MS[interval[-1]]


@dataclass(frozen=True, slots=True)
class Interval:
    """The length of a bar, as brokers write it: "1m", "4h", "1d"; "1M" is a calendar month."""

    name: str

    def __post_init__(self) -> None:
        match = _PATTERN.match(self.name)
        if not match or int(match[1]) == 0:
            raise ValueError(
                f'{self.name!r} is not an interval: write a count and one of s m h d w M, like "1m", "1d" or "1M"'
            )

    @property
    def duration_ms(self) -> int:
        """How long each bar is on a fixed grid; months are of many lengths, and raise ValueError."""
        return _duration_ms(self.name)

    @property
    def is_fixed(self) -> bool:
        """Whether each bar is as long as the others."""
        return self.name[-1] in _UNIT_MS

    @property
    def is_within_a_day(self) -> bool:
        """Whether bars are told by the hour: some that are 24 hours long are told by the day."""
        return self.name[-1] in "smh" and self.duration_ms < _UNIT_MS["d"]

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Dataset:
    """What makes two candles comparable: broker, symbol, interval, variant and grid.

    The variant says which of a broker's candles of one symbol these are (a feed, an adjustment, a price side),
    empty where there is no choice. Without a grid, bars open at multiples of the interval since 1970.
    """

    broker: str
    symbol: str
    interval: Interval
    variant: str = ""
    grid: Grid = _BY_THE_INTERVAL

    def __post_init__(self) -> None:
        if self.variant == PLAIN:
            raise ValueError(f'the variant {PLAIN!r} is how the empty one is stored: write ""')
        if self.grid is _BY_THE_INTERVAL:
            object.__setattr__(self, "grid", FixedGrid(self.interval.duration_ms))
        elif isinstance(self.grid, CalendarGrid):
            self._require_own_name(self.grid)
        elif isinstance(self.grid, FixedGrid) and self.grid.step_ms != self.interval.duration_ms:
            raise ValueError(f"bars of {self.grid} are no {self.interval} bars")

    @classmethod
    def fixed(cls, broker: str, symbol: str, interval: Interval, variant: str = "", anchor_ms: int = 0) -> Dataset:
        """With bars at `anchor_ms + n * interval`: of a broker whose weeks begin on Monday, for instance."""
        return cls(broker, symbol, interval, variant, FixedGrid(interval.duration_ms, anchor_ms))

    @classmethod
    def of_identity(
        cls, broker: str, symbol: str, interval: str, stored_variant: str, grid: int | CalendarGrid
    ) -> Dataset:
        """From what is stored of it; a fixed grid is stored as its anchor."""
        variant, length = "" if stored_variant == PLAIN else stored_variant, Interval(interval)
        if isinstance(grid, CalendarGrid):
            return cls(broker, symbol, length, variant, grid)
        return cls.fixed(broker, symbol, length, variant, grid)

    @property
    def identity(self) -> tuple[str, str, str, str, int | str]:
        """What is stored of it: the last is a fixed grid's anchor, or a calendar grid's name."""
        return (self.broker, self.symbol, self.interval.name, self.stored_variant, self.grid.key)

    @property
    def stored_variant(self) -> str:
        """The variant by the name it is stored under."""
        return self.variant or PLAIN

    def floor_ms(self, moment_ms: int) -> int:
        """The opening of the bar that holds the moment."""
        return self.grid.floor(moment_ms)

    def ceil_ms(self, moment_ms: int) -> int:
        """The first opening at or after the moment."""
        return self.grid.ceil(moment_ms)

    def closed_by(self, moment_ms: int) -> int:
        """The opening of the first bar that had not closed by the moment: the last edge where none is known later."""
        known = self.grid.known
        return known.end_ms if moment_ms >= known.end_ms else self.grid.floor(max(moment_ms, known.start_ms))

    def align(self, span: TimeSpan) -> TimeSpan:
        """The same openings, with both ends on the grid: [12:00:30, 12:02:01) by minutes is [12:01, 12:03)."""
        return self.grid.align(span)

    def bars_in(self, span: TimeSpan) -> int:
        """How many openings the span holds."""
        return self.grid.count([self.grid.align(span)])

    def later(self, opening_ms: int, bars: int) -> int:
        """The end of so many bars that begin with this opening."""
        return self.grid.later(opening_ms, bars)

    def count(self, spans: Iterable[TimeSpan]) -> int:
        """How many openings spans hold that lie on the grid."""
        return self.grid.count(spans)

    def openings(self, spans: Iterable[TimeSpan]) -> NDArray[np.int64]:
        """Every opening in spans that lie on the grid, in their order."""
        return self.grid.openings(spans)

    def _require_own_name(self, grid: CalendarGrid) -> None:
        """A calendar grid has the interval's name, and one that a fixed grid of its own could not be taken for."""
        interval, mark, where = grid.name.partition("@")
        is_anchor = bool(re.fullmatch(r"-?\d+", where))
        if interval != self.interval.name or is_anchor or (not where and (mark or interval[-1] in _UNIT_MS)):
            raise ValueError(f"{grid.name!r} is no name of a calendar grid of {self.interval} bars")


def in_order(dataset: Dataset) -> tuple[str, ...]:
    """What datasets are sorted by."""
    broker, symbol, interval, variant, key = dataset.identity
    return (broker, symbol, interval, variant, str(key))
