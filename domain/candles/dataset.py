"""Dataset: whose candles they are, and where their bars open; Interval: how long a bar is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.spans.time_span import TimeSpan

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

    def later(self, opening_ms: int, bars: int) -> int:
        """The opening that comes so many bars after this one."""
        return opening_ms + bars * self.interval.duration_ms

    def count(self, spans: Iterable[TimeSpan]) -> int:
        """How many openings spans hold that lie on the grid."""
        return sum(span.duration_ms for span in spans) // self.interval.duration_ms

    def openings(self, spans: Iterable[TimeSpan]) -> NDArray[np.int64]:
        """Every opening in spans that lie on the grid, in their order."""
        runs = [np.arange(span.start_ms, span.end_ms, self.interval.duration_ms, dtype=np.int64) for span in spans]
        return np.concatenate(runs) if runs else np.empty(0, np.int64)
