"""Revisions: what the broker changed after it was stored, and what it was before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.candles.candles import Candles, RawCandles, stack
from domain.spans.time_span import TimeSpan


@dataclass(frozen=True, eq=False)
class Revisions:
    """Changed bars, one row a change, sorted by opening and then by when the new values came.

    `old` and `new` are the bar before and after, of the same opening; `as_of_ms` is when the new one came.
    A column that only one of the two had is NaN (or 0 for whole numbers) in the other.
    """

    as_of_ms: NDArray[np.int64]
    old: RawCandles
    new: RawCandles

    @classmethod
    def concatenate(cls, parts: Sequence[Revisions]) -> Revisions:
        """Parts that follow each other in time as one."""
        filled = [part for part in parts if len(part)]
        if not filled:
            return cls(np.empty(0, np.int64), RawCandles.empty(), RawCandles.empty())
        old, new = (
            RawCandles.from_columns(stack(side)) for side in zip(*((p.old, p.new) for p in filled), strict=True)
        )
        return cls(np.concatenate([part.as_of_ms for part in filled]), old, new)

    def __len__(self) -> int:
        return len(self.as_of_ms)


@dataclass(frozen=True, eq=False)
class ReplacedBars:
    """The older values of bars, sorted by opening, and then in the order in which they were replaced."""

    replaced_at_ms: NDArray[np.int64]
    bars: RawCandles

    @classmethod
    def none(cls) -> ReplacedBars:
        """Nothing was ever replaced."""
        return cls(np.empty(0, np.int64), RawCandles.empty())

    def __len__(self) -> int:
        return len(self.replaced_at_ms)

    def followed_by(self, bars: Candles, replaced_at_ms: NDArray[np.int64]) -> ReplacedBars:
        """With more bars that were replaced now, no earlier than any replacement of theirs before."""
        if not len(bars):
            return self
        stacked = RawCandles.from_columns(stack([self.bars, bars] if len(self) else [bars]))
        moments = np.concatenate([self.replaced_at_ms, replaced_at_ms])
        order = np.argsort(stacked.open_time_ms, kind="stable")
        return ReplacedBars(moments[order], stacked.take(order))

    def latest(self, openings: NDArray[np.int64]) -> NDArray[np.int64]:
        """When each of these openings was last replaced; the beginning of time for those that never were."""
        after = np.searchsorted(self.bars.open_time_ms, openings, side="right")
        before = np.searchsorted(self.bars.open_time_ms, openings, side="left")
        never = np.iinfo(np.int64).min
        moments = np.append(self.replaced_at_ms, never)
        return np.where(after > before, moments[after - 1], never)

    def in_force_at(self, moment_ms: int) -> Candles:
        """The bars that held at that moment and have been replaced since."""
        later = np.flatnonzero(self.replaced_at_ms > moment_ms)
        _, first = np.unique(self.bars.open_time_ms[later], return_index=True)
        return Candles.from_columns(self.bars.take(later[first]).columns())

    def within(self, span: TimeSpan) -> ReplacedBars:
        """Those that open inside the span."""
        first, last = np.searchsorted(self.bars.open_time_ms, [span.start_ms, span.end_ms])
        part = slice(int(first), int(last))
        return ReplacedBars(self.replaced_at_ms[part], self.bars.take(part))

    def revisions(self, current: Candles) -> Revisions:
        """Each old bar beside what took its place: the next of its old values, or the current one."""
        if not len(self):
            return Revisions(self.replaced_at_ms, self.bars, self.bars)
        everything = RawCandles.from_columns(stack([self.bars, current]))
        opens = self.bars.open_time_ms
        has_next = np.append(opens[1:] == opens[:-1], False)
        in_current = len(self) + np.searchsorted(current.open_time_ms, opens)
        positions = np.arange(len(self))
        following = np.where(has_next, positions + 1, in_current)
        return Revisions(self.replaced_at_ms, everything.take(positions), everything.take(following))
