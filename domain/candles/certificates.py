"""Certificates: what was proven of stored candles, and a fingerprint of their content."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from domain.candles.candles import CORE_COLUMNS, Candles, Column
from domain.candles.completeness import Completeness
from domain.candles.dataset import Dataset
from domain.spans.grid import FixedGrid, Grid
from domain.spans.time_span import TimeSpan

BLOCK_BARS = 65_536
"""Content is hashed by blocks of so many bars of the grid, counted from its anchor, wherever files begin and end."""

CALENDAR_BLOCK_MS = 65_536 * 3_600_000
"""On a calendar grid a block is the bars that open in so many hours, counted from 1970."""

HASH_BYTES = 32
_ALWAYS_THERE = ("open_time_ms", *CORE_COLUMNS)


@dataclass(frozen=True, slots=True)
class Certificate:
    """One dataset, read in full and judged. It is proven when nothing speaks against it.

    `content_hash` depends on the bars alone, bit for bit: not on files, compression or the order of saves.
    """

    completeness: Completeness
    bars: int
    quarantined: int
    content_hash: str
    problems: tuple[str, ...] = ()
    """What speaks against it, a sentence each."""

    @property
    def is_proven(self) -> bool:
        return not self.problems


@dataclass(slots=True)
class ContentHash:
    """Hashes a dataset's bars, given in order and in pieces that end where blocks do."""

    dataset: Dataset
    _digest: Any = field(init=False)

    def __post_init__(self) -> None:
        self._digest = hashlib.blake2b(repr(self.dataset.identity).encode(), digest_size=HASH_BYTES)

    def add(self, candles: Candles) -> None:
        """Add the next bars."""
        for number, block in _blocks(self.dataset, candles):
            self._digest.update(number.to_bytes(8, "little", signed=True) + _block_hash(block))

    def text(self) -> str:
        """The fingerprint so far."""
        return str(self._digest.hexdigest())


def block_spans(dataset: Dataset, span: TimeSpan, blocks: int) -> Iterator[TimeSpan]:
    """The span in pieces of so many blocks, ending where blocks do."""
    by = _block_grid(dataset.grid)
    pieces = FixedGrid(by.step_ms * blocks, by.anchor_ms)
    at_ms = span.start_ms
    while at_ms < span.end_ms:
        edge_ms = pieces.next(at_ms)
        end_ms = dataset.ceil_ms(edge_ms) if edge_ms < span.end_ms else span.end_ms
        yield TimeSpan(at_ms, end_ms)
        at_ms = end_ms


def hash_of_all(certificates: Iterable[Certificate]) -> str:
    """One fingerprint over many datasets, in whatever order they come."""
    digest = hashlib.blake2b(digest_size=HASH_BYTES)
    for content_hash in sorted(certificate.content_hash for certificate in certificates):
        digest.update(bytes.fromhex(content_hash))
    return digest.hexdigest()


def problems_of(completeness: Completeness, broken_rules: Counter[str], mismatch: str = "") -> list[str]:
    """What speaks against a dataset, a sentence each."""
    problems = [f"{damage.path}: {damage.reason}" for damage in completeness.damaged]
    problems += [f"{count:,} stored bars break a rule: {rule}" for rule, count in broken_rules.items()]
    if mismatch:
        problems.append(mismatch)
    for spans, what in ((completeness.missing, "never answered"), (completeness.due, "due to be asked again")):
        if spans:
            problems.append(f"{_listed(spans)}: {completeness.bars(spans):,} bars {what}")
    return problems


def _listed(spans: Sequence[TimeSpan]) -> str:
    return f"{spans[0]}" + (f" and {len(spans) - 1:,} more spans" if len(spans) > 1 else "")


def _block_grid(grid: Grid) -> FixedGrid:
    """Where blocks begin and end. A calendar's bars are counted in no number: theirs are by time alone."""
    if isinstance(grid, FixedGrid):
        return FixedGrid(grid.step_ms * BLOCK_BARS, grid.anchor_ms)
    return FixedGrid(CALENDAR_BLOCK_MS)


def _blocks(dataset: Dataset, candles: Candles) -> Iterator[tuple[int, Candles]]:
    numbers = _block_grid(dataset.grid).positions(candles.open_time_ms)
    edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
    for first, last in pairwise(edges):
        if last > first:
            yield int(numbers[first]), candles.take(slice(first, last))


def _block_hash(block: Candles) -> bytes:
    digest = hashlib.blake2b(digest_size=HASH_BYTES)
    columns = {name: column for name, column in block.columns().items() if name in _ALWAYS_THERE or _says(column)}
    for name, column in sorted(columns.items()):
        digest.update(f"{name}:{column.dtype.kind}8:{len(column)};".encode())
        digest.update(column.astype(f"<{column.dtype.kind}8", copy=False).tobytes())
    return digest.digest()


def _says(column: Column) -> bool:
    """Whether an extra column says anything: where bars without it lie beside bars with it, it is filled up."""
    return bool(column.any()) if column.dtype == np.int64 else not bool(np.isnan(column).all())
