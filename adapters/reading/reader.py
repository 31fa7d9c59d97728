"""CandleReader: stored candles by symbol, interval and span, as numpy columns and as tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias

from adapters.candle_store.layout import EVERYTHING
from adapters.candle_store.repository import CandleFiles
from adapters.reading.tables import LongTable
from domain.candles.candles import Candles
from domain.candles.dataset import Dataset
from domain.candles.ports import CandleRepository
from domain.errors import SettingsError
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan, from_milliseconds, to_milliseconds

Wanted: TypeAlias = str | Dataset | Iterable[str | Dataset]
"""One symbol or several; a Dataset where a symbol alone would not say which is meant."""
Moment: TypeAlias = str | date | None
"""ISO 8601 with a zone, a bare date (its midnight in UTC), or a datetime with a zone; None: no bound."""

MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Holding:
    """What is stored of one dataset: from the first bar's opening to the last one's close, None without a bar.

    `bars_missing` counts bars between the two that were never requested, or are not final yet.
    """

    broker: str
    symbol: str
    interval: str
    variant: str
    bars: int
    start: datetime | None
    end: datetime | None
    bars_missing: int


class CandleReader:
    """Reads a store: the folder that is `[storage] root` in the settings, or any candle repository.

    `start` is inclusive, `end` exclusive; `as_of` gives the bars as they were known at that time, without the broker's
    later corrections. `interval` and `broker` may be left out where the store leaves no choice. Several symbols make
    one table, one after another: see `LongTable` for its columns. Every method raises SettingsError for a symbol that
    is not stored, naming similar ones, and CorruptSegment for a damaged file; the table methods also raise
    SettingsError when their library is not installed.
    """

    def __init__(self, store: CandleRepository | Path | str) -> None:
        self._repository = CandleFiles(store) if isinstance(store, Path | str) else store
        self._known: list[Dataset] = []

    def to_pandas(
        self,
        symbols: Wanted,
        interval: str = "",
        start: Moment = None,
        end: Moment = None,
        *,
        broker: str = "",
        as_of: Moment = None,
    ) -> Any:
        """A `pandas.DataFrame`."""
        return self._table(symbols, interval, broker, start, end, as_of).to_pandas()

    def to_polars(
        self,
        symbols: Wanted,
        interval: str = "",
        start: Moment = None,
        end: Moment = None,
        *,
        broker: str = "",
        as_of: Moment = None,
    ) -> Any:
        """A `polars.DataFrame`."""
        return self._table(symbols, interval, broker, start, end, as_of).to_polars()

    def to_arrow(
        self,
        symbols: Wanted,
        interval: str = "",
        start: Moment = None,
        end: Moment = None,
        *,
        broker: str = "",
        as_of: Moment = None,
    ) -> Any:
        """A `pyarrow.Table`."""
        return self._table(symbols, interval, broker, start, end, as_of).to_arrow()

    def candles(
        self,
        symbol: str | Dataset,
        interval: str = "",
        start: Moment = None,
        end: Moment = None,
        *,
        broker: str = "",
        as_of: Moment = None,
    ) -> Candles:
        """One symbol's candles as numpy columns."""
        (dataset,) = self._wanted(symbol, interval, broker)
        return self._repository.read(dataset, _span(start, end), _as_of_ms(as_of))

    def symbols(self, interval: str = "", broker: str = "") -> list[str]:
        """The symbols that are stored, sorted."""
        return sorted({dataset.symbol for dataset in self.datasets(interval, broker)})

    def datasets(self, interval: str = "", broker: str = "") -> list[Dataset]:
        """The datasets that are stored, sorted."""
        self._known = self._repository.datasets()
        return [dataset for dataset in self._known if _is_of(dataset, interval, broker)]

    def holdings(self, symbols: Wanted | None = None, interval: str = "", broker: str = "") -> list[Holding]:
        """What is stored of these symbols, or of all; `pandas.DataFrame(reader.holdings())` makes a table of it."""
        # A dataset that was listed before may have fewer openings of its calendar than the store has now.
        stored = {dataset: dataset for dataset in self.datasets(interval, broker)}
        datasets = list(stored) if symbols is None else self._wanted(symbols, interval, broker)
        return [self._holding(stored.get(dataset, dataset)) for dataset in datasets]

    def _holding(self, dataset: Dataset) -> Holding:
        coverage = self._repository.coverage(dataset, EVERYTHING)
        stored = coverage.stored
        whole = stored.extent
        missing = SpanSet([whole]) - (stored | coverage.denied | coverage.refused)
        return Holding(
            dataset.broker,
            dataset.symbol,
            str(dataset.interval),
            dataset.variant,
            dataset.count(stored),
            from_milliseconds(whole.start_ms) if stored else None,
            from_milliseconds(whole.end_ms) if stored else None,
            dataset.count(missing),
        )

    def _table(
        self, symbols: Wanted, interval: str, broker: str, start: Moment, end: Moment, as_of: Moment
    ) -> LongTable:
        span, as_of_ms = _span(start, end), _as_of_ms(as_of)
        datasets = self._wanted(symbols, interval, broker)
        pieces = self._repository.read_pieces(datasets, span, as_of_ms)
        parts = ((dataset.symbol, piece) for dataset, piece in pieces)
        return LongTable.of(parts, self._repository.rows_at_most(datasets, span))

    def _wanted(self, symbols: Wanted, interval: str, broker: str) -> list[Dataset]:
        each = [symbols] if isinstance(symbols, str | Dataset) else list(symbols)
        found = (one if isinstance(one, Dataset) else self._named(one, interval, broker) for one in each)
        return list(dict.fromkeys(found))

    def _named(self, symbol: str, interval: str, broker: str) -> Dataset:
        """The one dataset of that symbol; the store is listed again before a symbol is called missing."""
        found = self._matching(symbol, interval, broker)
        if len(found) != 1:
            self._known = self._repository.datasets()
            found = self._matching(symbol, interval, broker)
        if len(found) == 1:
            return found[0]
        if found:
            raise SettingsError(
                f"several datasets of {symbol} are stored: name an interval, a broker or {_one_of(found)}"
            )
        raise SettingsError(self._not_stored(symbol, interval, broker))

    def _matching(self, symbol: str, interval: str, broker: str) -> list[Dataset]:
        return [one for one in self._known if one.symbol == symbol and _is_of(one, interval, broker)]

    def _not_stored(self, symbol: str, interval: str, broker: str) -> str:
        of_kind = [dataset for dataset in self._known if _is_of(dataset, interval, broker)]
        kind = " ".join(filter(None, (broker, interval)))
        no_candles = f"no {kind} candles of {symbol} are stored" if kind else f"no candles of {symbol} are stored"
        others = sorted({str(dataset.interval) for dataset in self._known if dataset.symbol == symbol})
        if others:
            return f"{no_candles}: of that symbol there is {', '.join(others)}"
        close = get_close_matches(symbol, sorted({dataset.symbol for dataset in of_kind}), MOST_NAMED, 0.6)
        close = (
            close or [dataset.symbol for dataset in of_kind if symbol.lower() in dataset.symbol.lower()][:MOST_NAMED]
        )
        return f"{no_candles}: did you mean {' or '.join(close)}?" if close else f"{no_candles}: collect them first"


def _is_of(dataset: Dataset, interval: str, broker: str) -> bool:
    return interval in ("", str(dataset.interval)) and broker in ("", dataset.broker)


def _one_of(datasets: Sequence[Dataset]) -> str:
    return f"one of them, like {datasets[0]!r}"


def _span(start: Moment, end: Moment) -> TimeSpan:
    start_ms = EVERYTHING.start_ms if start is None else _milliseconds("start", start)
    end_ms = EVERYTHING.end_ms if end is None else _milliseconds("end", end)
    if end_ms < start_ms:
        raise SettingsError(f"start {start} must not come after end {end}")
    return TimeSpan(start_ms, end_ms)


def _as_of_ms(as_of: Moment) -> int | None:
    return None if as_of is None else _milliseconds("as_of", as_of)


def _milliseconds(name: str, moment: str | date) -> int:
    if not isinstance(moment, str | date):
        raise SettingsError(f"{name}: {moment!r} is not a timestamp: write one like 2024-03-01T12:00:00Z")
    try:
        parsed = moment if isinstance(moment, datetime) else datetime.fromisoformat(str(moment))
        if not isinstance(moment, datetime) and len(str(moment).strip()) == len("2024-03-01"):
            parsed = parsed.replace(tzinfo=UTC)
        return to_milliseconds(parsed)
    except ValueError as error:
        raise SettingsError(f"{name}: {error}") from None
