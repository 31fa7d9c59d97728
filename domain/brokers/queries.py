"""Queries: what is requested of a broker, and how a long span is cut into few of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from domain.brokers.listing import Listing
from domain.brokers.wire import Charge
from domain.candles.dataset import Dataset
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan

Member = TypeVar("Member")


@dataclass(frozen=True, slots=True)
class Instrument:
    """A dataset as its broker knows it: by a key that may be a number, or the symbol itself."""

    dataset: Dataset
    key: str
    listing: Listing | None = None

    @classmethod
    def of(cls, dataset: Dataset) -> Instrument:
        """The instrument of a broker whose keys are symbols; plans use it before the broker has resolved anything."""
        return cls(dataset, dataset.symbol)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The wanted spans of one instrument, and the runs of bars that are expected to exist.

    With `may_bridge` a query may include what lies between two wanted spans, to be one query instead of two.
    """

    spans: SpanSet
    expected: SpanSet
    may_bridge: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """The same span of each instrument, in about as many requests as there are charges.

    `is_exact`: in exactly as many, if the broker behaves and the expected bars exist. `most_rows` is the most rows that
    one response has.
    """

    route: str
    instruments: tuple[Instrument, ...]
    span: TimeSpan
    charges: tuple[Charge, ...]
    most_rows: int
    is_exact: bool = True

    @property
    def symbols(self) -> str:
        """The symbols it requests, as errors name them."""
        return ", ".join(instrument.dataset.symbol for instrument in self.instruments)


def grouped(batch: Sequence[Member], most_instruments: int) -> list[tuple[Member, ...]]:
    """A batch's symbols in groups of as many as one query may name."""
    return [tuple(batch[first : first + most_instruments]) for first in range(0, len(batch), most_instruments)]


def listed(wanted: Wanted, instrument: Instrument) -> Wanted:
    """The same, with no bar expected outside of the instrument's listing."""
    listing = instrument.listing
    if listing is None or not wanted.spans:
        return wanted
    extent = wanted.spans.extent
    first_ms = extent.start_ms if listing.first_ms is None else min(listing.first_ms, extent.end_ms)
    end_ms = extent.end_ms if listing.end_ms is None else listing.end_ms
    return replace(wanted, expected=wanted.expected.within(TimeSpan(first_ms, max(first_ms, end_ms))))


def shared(wanted: Mapping[Instrument, Wanted]) -> list[tuple[TimeSpan, tuple[Instrument, ...]]]:
    """All that is wanted, as spans with the instruments that want the whole of each."""
    edges = sorted({edge for one in wanted.values() for span in one.spans for edge in (span.start_ms, span.end_ms)})
    pieces: list[tuple[TimeSpan, tuple[Instrument, ...]]] = []
    for piece in map(TimeSpan, edges, edges[1:]):
        instruments = tuple(instrument for instrument, one in wanted.items() if one.spans.covers(piece))
        if pieces and instruments == pieces[-1][1] and pieces[-1][0].end_ms == piece.start_ms:
            pieces[-1] = (TimeSpan(pieces[-1][0].start_ms, piece.end_ms), instruments)
        elif instruments:
            pieces.append((piece, instruments))
    return pieces


def cut(wanted: Wanted, dataset: Dataset, most_bars: int) -> list[TimeSpan]:
    """The fewest spans that hold all that is wanted, each with at most `most_bars` expected bars.

    Only expected bars count, not slots of the grid: a night costs nothing, and is requested with the bars after it. A
    span ends with its last expected bar, so a response with the most rows is known to be whole when it reaches that
    bar.
    """
    return list((_bridged if wanted.may_bridge else _cut)(wanted, dataset, most_bars))


def _cut(wanted: Wanted, dataset: Dataset, most_bars: int) -> Iterator[TimeSpan]:
    for span in wanted.spans:
        start_ms = span.start_ms
        while start_ms < span.end_ms:
            end_ms = _end_ms(TimeSpan(start_ms, span.end_ms), wanted.expected, dataset, most_bars)
            yield TimeSpan(start_ms, end_ms)
            start_ms = end_ms


def _bridged(wanted: Wanted, dataset: Dataset, most_bars: int) -> Iterator[TimeSpan]:
    """Spans from each wanted start to the last time that a response can reach."""
    last_ms, position = wanted.spans.extent.end_ms, 0
    while position < len(wanted.spans):
        start_ms = wanted.spans[position].start_ms
        while start_ms < wanted.spans[position].end_ms:
            reach_ms = _end_ms(TimeSpan(start_ms, last_ms), wanted.expected, dataset, most_bars)
            while position + 1 < len(wanted.spans) and wanted.spans[position + 1].start_ms < reach_ms:
                position += 1
            end_ms = min(reach_ms, wanted.spans[position].end_ms)
            yield TimeSpan(start_ms, end_ms)
            start_ms = end_ms
        position += 1


def _end_ms(span: TimeSpan, expected: SpanSet, dataset: Dataset, most_bars: int) -> int:
    """The end of a query that begins with the span: after `most_bars` expected bars, or with the span."""
    room = most_bars
    for position in range(bisect_right(expected, span.start_ms, key=lambda run: run.end_ms), len(expected)):
        run = span.intersect(expected[position])
        if not run:
            break
        bars = dataset.count([run])
        if bars >= room:
            return dataset.later(run.start_ms, room)
        room -= bars
    return span.end_ms
