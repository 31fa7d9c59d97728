"""The ports of candles: the store they are kept in, and the calendar they are expected by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np

from domain.candles.candles import Candles, Column
from domain.candles.coverage import Coverage
from domain.candles.dataset import Dataset
from domain.candles.history import ALWAYS_KNOWN_MS, SaveResult
from domain.candles.revisions import Revisions
from domain.candles.span_states import NO_STATES, SpanStates
from domain.candles.validation import QuarantinedCandle
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan


class CollectingClaim(Protocol):
    """The exclusive right to collect one dataset, for one collector at a time over all processes.

    A context manager: leaving it releases the right, and so does the end of the process, however it comes.
    """

    def try_take(self) -> bool:
        """Take the right if nobody has it; never waits. Blocking I/O: call it in a thread.

        If the context exits first, nothing is taken, or what was taken is released.
        """

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


@dataclass(frozen=True, slots=True)
class DamagedSegment:
    """A part of the store that is no longer what was written: why, and the span whose answers it held."""

    path: str
    reason: str
    lost: TimeSpan


class CandlePiece(Protocol):
    """Candles that follow each other as they lie in the store; `Candles` are one. For one thread at a time."""

    def dtypes(self) -> Mapping[str, np.dtype[Any]]:
        """The type of every column by name, in the order of `Candles.columns`."""

    def columns(self) -> Mapping[str, Column]:
        """Every column by name. Raises CorruptSegment."""

    def copy_into(self, columns: Mapping[str, Column]) -> None:
        """Write every column into the one of its name there: as long as this is, and of the same type.

        Raises CorruptSegment; the columns may hold anything then.
        """

    def __len__(self) -> int: ...


class CandleRepository(Protocol):
    """Candles and their coverage, durable together. Blocking: call it in a thread."""

    def coverage(self, dataset: Dataset, span: TimeSpan) -> Coverage:
        """What is known of the span, by state. Raises CorruptSegment."""

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
        """Add candles, all of them inside `asked`, and note that `asked` was answered in full, but for
        the spans inside of it that are said to be in one of these states.

        Bars that open at or after `provisional_from_ms` may still change: their span is provisional until
        it is answered again. `as_of_ms` is when the answer came; the old values of a bar that comes
        with others are kept, see `revisions`. `source` is where the candles came from, if that is to be kept.
        Durable and atomic when it returns; the newest wins; saving the same again writes nothing.
        """

    def quarantine(self, dataset: Dataset, bad: Sequence[QuarantinedCandle]) -> None:
        """Keep refused candles where a person can look at them; the same one is kept once."""

    def read(self, dataset: Dataset, span: TimeSpan, as_of_ms: int | None = None) -> Candles:
        """The stored candles of the span, or those that were known at a moment, as they were then.

        Raises CorruptSegment.
        """

    def read_pieces(
        self, datasets: Sequence[Dataset], span: TimeSpan, as_of_ms: int | None = None
    ) -> Iterator[tuple[Dataset, CandlePiece]]:
        """The same of these datasets, one after another: each in pieces as they lie, which follow each other in time.

        Pieces are read a few ahead, so memory holds only those few, as long as the caller lets go of them. A caller
        that stops early drops or closes the iterator. The pieces of one iterator are for one thread.
        """

    def rows_at_most(self, datasets: Sequence[Dataset], span: TimeSpan) -> int:
        """The most candles that `read_pieces` can give, as the store is now; cheap. Raises CorruptSegment."""

    def revisions(self, dataset: Dataset, span: TimeSpan) -> Revisions:
        """What the broker changed of the span's bars after they were stored. Raises CorruptSegment."""

    def collecting(self, dataset: Dataset) -> CollectingClaim:
        """The claim to collect the dataset, not taken yet."""

    def damaged(self, dataset: Dataset) -> list[DamagedSegment]:
        """What of the dataset can no longer be read, by reading all of it."""

    def set_aside(self, dataset: Dataset) -> list[DamagedSegment]:
        """Move what is damaged out of the way, never delete it: its span is missing again. Names what it moved."""

    def datasets(self) -> list[Dataset]:
        """Every dataset with something stored, sorted."""


class TradingCalendar(Protocol):
    """When a market is open. A plain value: it reads nothing and travels to whoever needs it."""

    @property
    def name(self) -> str: ...

    def expected(self, dataset: Dataset, span: TimeSpan) -> SpanSet:
        """The runs of bars in which candles are expected, inside the span, on its grid.

        Raises ValueError for a span that the calendar does not know.
        """
