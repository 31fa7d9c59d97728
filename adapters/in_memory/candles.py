"""InMemoryCandleRepository: the candle repository without a disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from threading import Lock
from typing import Self

from domain.candles.candles import Candles
from domain.candles.coverage import Coverage
from domain.candles.dataset import Dataset, in_order
from domain.candles.history import ALWAYS_KNOWN_MS, CandleHistory, SaveResult
from domain.candles.ports import CandlePiece, DamagedSegment
from domain.candles.revisions import Revisions
from domain.candles.span_states import NO_STATES, SpanStates
from domain.candles.validation import QuarantinedCandle
from domain.errors import StorageError
from domain.spans.time_span import TimeSpan


class InMemoryClaim:
    """The claim to collect a dataset, among the users of one repository."""

    def __init__(self, taken: set[Dataset], lock: Lock, dataset: Dataset) -> None:
        self._taken = taken
        self._lock = lock
        self._dataset = dataset
        self._is_mine = False

    def try_take(self) -> bool:
        """Take the claim if it is free."""
        with self._lock:
            if not self._is_mine and self._dataset not in self._taken:
                self._taken.add(self._dataset)
                self._is_mine = True
            return self._is_mine

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._is_mine:
                self._taken.discard(self._dataset)


class InMemoryCandleRepository:
    """Candle histories in dictionaries; may be called from several threads.

    Errors in `failures` are raised by the next saves, in order: nothing is saved then.
    """

    def __init__(self) -> None:
        self.failures: list[StorageError] = []
        self.quarantined: dict[Dataset, list[QuarantinedCandle]] = {}
        self.saves = 0
        self.histories: dict[Dataset, CandleHistory] = {}
        self._collecting: set[Dataset] = set()
        self._lock = Lock()

    def coverage(self, dataset: Dataset, span: TimeSpan) -> Coverage:
        """What is known of the span, by state."""
        with self._lock:
            history = self._history(dataset)
            return history.coverage(history.grid.align(span))

    def save(
        self,
        dataset: Dataset,
        asked: TimeSpan,
        candles: Candles,
        provisional_from_ms: int | None = None,
        as_of_ms: int = ALWAYS_KNOWN_MS,
        states: SpanStates = NO_STATES,
        source: str = "",
    ) -> SaveResult:
        """Add candles and note that `asked` was answered; ValueError for a candle outside of it."""
        if len(candles.within(asked)) != len(candles):
            raise ValueError(f"{dataset.symbol}: candles outside of the span {asked}")
        with self._lock:
            if self.failures:
                raise self.failures.pop(0)
            before, aligned = self._history(dataset), dataset.align(asked)
            provisional_ms = None if provisional_from_ms is None else dataset.ceil_ms(provisional_from_ms)
            after = before.with_answer(aligned, candles, provisional_ms, as_of_ms, states, source)
            if aligned:
                self.histories[dataset] = after
            self.saves += 1
        return after.compared_to(before)

    def quarantine(self, dataset: Dataset, bad: Sequence[QuarantinedCandle]) -> None:
        """Keep refused candles, each once."""
        with self._lock:
            kept = self.quarantined.setdefault(dataset, [])
            known = {repr(candle) for candle in kept}
            kept.extend({repr(candle): candle for candle in bad if repr(candle) not in known}.values())

    def read(self, dataset: Dataset, span: TimeSpan, as_of_ms: int | None = None) -> Candles:
        """The stored candles of the span, or as they were known at a time."""
        with self._lock:
            history = self._history(dataset)
        return (history.candles if as_of_ms is None else history.as_of(as_of_ms)).within(span)

    def read_pieces(
        self, datasets: Sequence[Dataset], span: TimeSpan, as_of_ms: int | None = None
    ) -> Iterator[tuple[Dataset, CandlePiece]]:
        """The same for each dataset, in one piece."""
        return ((dataset, self.read(dataset, span, as_of_ms)) for dataset in datasets)

    def rows_at_most(self, datasets: Sequence[Dataset], span: TimeSpan) -> int:
        """The number of candles in the span."""
        return sum(len(self.read(dataset, span)) for dataset in datasets)

    def revisions(self, dataset: Dataset, span: TimeSpan) -> Revisions:
        """The revisions of the span's bars."""
        with self._lock:
            return self._history(dataset).revisions(span)

    def collecting(self, dataset: Dataset) -> InMemoryClaim:
        """The claim to collect the dataset, not taken yet."""
        return InMemoryClaim(self._collecting, self._lock, dataset)

    def damaged(self, dataset: Dataset) -> list[DamagedSegment]:
        """Nothing: memory is never damaged."""
        return []

    def set_aside(self, dataset: Dataset) -> list[DamagedSegment]:
        """Nothing is ever damaged."""
        return []

    def datasets(self) -> list[Dataset]:
        """Every dataset with something stored, sorted."""
        with self._lock:
            stored = list(self.histories)
        return sorted((replace(one, grid=self.histories[one].grid) for one in stored), key=in_order)

    def _history(self, dataset: Dataset) -> CandleHistory:
        stored = self.histories.get(dataset)
        return stored.knowing(dataset.grid) if stored else CandleHistory(dataset.grid)
