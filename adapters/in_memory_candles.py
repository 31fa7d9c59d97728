"""InMemoryCandleRepository: the candle repository without a disk."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

import numpy as np

from domain.candles import Candles, Dataset
from domain.coverage import Coverage
from domain.errors import StorageError
from domain.ports import SaveResult
from domain.timespan import TimeSpan, union
from domain.validation import QuarantinedCandle


class InMemoryCandleRepository:
    """Candles and their coverage in dictionaries; may be called from several threads.

    Errors put into `failures` are raised by the next saves, first come first raised: nothing is saved then.
    """

    def __init__(self) -> None:
        self.failures: list[StorageError] = []
        self.quarantined: dict[Dataset, list[QuarantinedCandle]] = {}
        self.saves = 0
        self._candles: dict[Dataset, Candles] = {}
        self._asked: dict[Dataset, list[TimeSpan]] = {}
        self._lock = Lock()

    def coverage(self, dataset: Dataset, span: TimeSpan) -> Coverage:
        """What of the span is stored or confirmed empty."""
        with self._lock:
            openings = self._stored(dataset).open_time_ms
            asked = self._asked.get(dataset, ())
        return Coverage.of(span, asked, openings, dataset.interval.duration_ms)

    def save(self, dataset: Dataset, asked: TimeSpan, candles: Candles) -> SaveResult:
        """Add candles and note that `asked` was answered; ValueError for a candle outside of it."""
        if len(candles.within(asked)) != len(candles):
            raise ValueError(f"{dataset.symbol}: candles outside of the span asked for, {asked}")
        with self._lock:
            if self.failures:
                raise self.failures.pop(0)
            before = self._stored(dataset)
            after = before.merge(candles)
            if asked:
                self._asked[dataset] = union([*self._asked.get(dataset, ()), asked])
                self._candles[dataset] = after
            self.saves += 1
        return SaveResult(len(after) - len(before), _changed(before, after, candles))

    def quarantine(self, dataset: Dataset, bad: Sequence[QuarantinedCandle]) -> None:
        """Keep refused candles; the same one is kept once."""
        with self._lock:
            kept = self.quarantined.setdefault(dataset, [])
            known = {repr(candle) for candle in kept}
            kept.extend({repr(candle): candle for candle in bad if repr(candle) not in known}.values())

    def read(self, dataset: Dataset, span: TimeSpan) -> Candles:
        """The stored candles of the span."""
        with self._lock:
            return self._stored(dataset).within(span)

    def datasets(self) -> list[Dataset]:
        """Every dataset with something stored, sorted."""
        with self._lock:
            stored = list(self._asked)
        return sorted(stored, key=lambda dataset: (dataset.broker, dataset.symbol, str(dataset.interval)))

    def _stored(self, dataset: Dataset) -> Candles:
        return self._candles.get(dataset, Candles.empty())


def _changed(before: Candles, after: Candles, newer: Candles) -> int:
    """How many of the openings that were there already have other values now."""
    shared = np.intersect1d(before.open_time_ms, newer.open_time_ms)
    old, new = (both.take(np.isin(both.open_time_ms, shared)).columns() for both in (before, after))
    differs = np.zeros(len(shared), np.bool_)
    for name, column in new.items():
        same = old[name].view(np.int64) == column.view(np.int64) if name in old else np.zeros(len(shared), np.bool_)
        differs |= ~same
    return int(differs.sum())
