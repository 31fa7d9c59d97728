"""Spans, states, listings and grids as a header holds them: whole numbers, as few as they can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from operator import index
from typing import Any

import numpy as np

from adapters.candle_store.layout import YEARS, most_bars
from domain.candles.bar_sources import NO_SOURCES, BarSources
from domain.candles.dataset import Dataset
from domain.candles.listings import Listing
from domain.candles.span_states import NO_STATES, STATES, SpanStates
from domain.spans.calendar_grid import CalendarGrid
from domain.spans.grid import FixedGrid, Grid
from domain.spans.span_set import NO_SPANS, SpanSet
from domain.spans.time_span import TimeSpan


def pack_spans(spans: Sequence[TimeSpan], grid: Grid) -> list[int]:
    """The first start, then in turn: bars in a span, bars until the next. Two bytes a weekend.

    ValueError for spans off the grid.
    """
    edges = [edge for span in spans for edge in (span.start_ms, span.end_ms)]
    if isinstance(grid, FixedGrid):
        if any((edge - grid.anchor_ms) % grid.step_ms for edge in edges):
            raise ValueError("a candle or a span is off the dataset's grid")
        return [*edges[:1], *((later - earlier) // grid.step_ms for earlier, later in pairwise(edges))]
    return [*edges[:1], *np.diff(grid.positions(np.array(edges, np.int64))).tolist()] if edges else []


def unpack_spans(packed: Sequence[Any], grid: Grid) -> SpanSet:
    """What `pack_spans` was given; ValueError or TypeError for what it cannot have made."""
    if not packed:
        return NO_SPANS
    first, *steps = map(index, packed)
    if any(step <= 0 for step in steps):
        raise ValueError("its spans are not in order, or off the grid")
    if isinstance(grid, FixedGrid):
        if (first - grid.anchor_ms) % grid.step_ms:
            raise ValueError("its spans are not in order, or off the grid")
        edges = list(accumulate((step * grid.step_ms for step in steps), initial=first))
    else:
        edges = _calendar_edges(first, steps, grid)
    if not YEARS.covers(TimeSpan(edges[0], edges[-1])):
        raise ValueError("its spans are in no year that there is")
    return SpanSet(map(TimeSpan, edges[::2], edges[1::2]))


def pack_states(states: SpanStates, grid: Grid) -> dict[str, list[int]]:
    """The spans of each state that any is in."""
    return {name: pack_spans(spans, grid) for name, spans in zip(STATES, states.all(), strict=True) if spans}


def unpack_states(fields: Mapping[str, Any], grid: Grid) -> SpanStates:
    """The states that are named; ValueError or TypeError where they are no such."""
    if fields.keys().isdisjoint(STATES):
        return NO_STATES
    return SpanStates(*(unpack_spans(fields.get(name, ()), grid) for name in STATES))


def pack_listings(listings: Sequence[Listing]) -> dict[str, list[list[Any]]]:
    """Who told of the symbol's listing, when, and what; nothing where nobody did."""
    told = [[one.said_by, one.said_at_ms, one.first_ms, one.last_ms] for one in listings]
    return {"listings": told} if told else {}


def unpack_listings(fields: Mapping[str, Any]) -> tuple[Listing, ...]:
    """What `pack_listings` was given; ValueError or TypeError for what it cannot have made."""
    return tuple(
        Listing(str(said_by), index(said_at_ms), *(None if edge is None else index(edge) for edge in (first, last)))
        for said_by, said_at_ms, first, last in fields.get("listings", ())
    )


def pack_sources(sources: BarSources, grid: Grid) -> dict[str, list[list[Any]]]:
    """Each source's runs of bars; nothing where none was told."""
    return {"sources": [[name, pack_spans(runs, grid)] for name, runs in sources.runs]} if sources else {}


def unpack_sources(fields: Mapping[str, Any], grid: Grid) -> BarSources:
    """What `pack_sources` was given; ValueError or TypeError for what it cannot have made."""
    if "sources" not in fields:
        return NO_SOURCES
    return BarSources(tuple((str(name), unpack_spans(runs, grid)) for name, runs in fields["sources"]))


def pack_grid(grid: Grid) -> dict[str, list[int]]:
    """A calendar's bars: the first opening, then in turn: how long bars are, and how many such follow each other.

    A fixed grid needs nothing. ValueError for a calendar that does not know all of the stretch.
    """
    if not isinstance(grid, CalendarGrid):
        return {}
    first, *others = grid.packed or ((),)
    if others:
        raise ValueError(f"the grid {grid.name} does not know all of {grid.known}")
    return {"grid": list(first)}


def unpack_dataset(identity: Sequence[Any], packed_grid: Sequence[Any] | None) -> Dataset:
    """Whose file it is; with a packed grid, its bars open where that says. ValueError or TypeError for no dataset."""
    broker, symbol, interval, variant, key = identity
    if packed_grid is None:
        return Dataset.of_identity(broker, symbol, interval, variant, index(key))
    if not isinstance(key, str):
        raise ValueError("its grid has no name")
    named = Dataset.of_identity(broker, symbol, interval, variant, CalendarGrid.unknown(key))
    if not packed_grid:
        return named
    first, *runs = map(index, packed_grid)
    lengths, counts = runs[::2], runs[1::2]
    if len(lengths) != len(counts) or not runs or min(runs) <= 0:
        raise ValueError("its grid is not in order")
    if sum(counts) > most_bars(named):
        raise ValueError("its grid has more bars than a candle file may have")
    end_ms = first + sum(length * count for length, count in zip(lengths, counts, strict=True))
    if not YEARS.covers(TimeSpan(first, end_ms)):
        raise ValueError("its grid is in no year that there is")
    grid = CalendarGrid.unpacked(key, (first, *runs))
    return Dataset.of_identity(broker, symbol, interval, variant, grid)


def _calendar_edges(first: int, steps: Sequence[int], grid: Grid) -> list[int]:
    if first not in grid.known:
        raise ValueError("its spans are not in order, or off the grid")
    start = int(grid.positions(np.array([first], np.int64))[0])
    if start + sum(steps) > grid.count([grid.known]):
        raise ValueError("its spans are beyond its grid")
    return [int(edge) for edge in grid.edges(np.array(list(accumulate(steps, initial=start)), np.int64))]
