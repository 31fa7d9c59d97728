"""A second reader of candle files, written from docs/segment-format.md alone: slow, plain, and only for tests."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import zstandard

UNITS_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
PRICES = ("open", "high", "low", "close")
STATES = ("denied", "refused", "unlisted", "out_of_reach", "doubtful", "unanswered")

Span = tuple[int, int]
Bars = dict[str, list[Any]]
Later = Callable[[int, int], int]
"""The edge of the grid so many bars after another."""


@dataclass
class ReadSegment:
    """What the file says; columns by name, `open_time_ms` among them."""

    dataset: tuple[str, str, str, str, int | str]
    asked: list[Span]
    provisional: list[Span]
    bars: Bars
    known: list[tuple[int, int, int]]
    replaced: Bars
    states: dict[str, list[Span]] = field(default_factory=dict)
    listings: list[list[Any]] = field(default_factory=list)
    sources: dict[str, list[Span]] = field(default_factory=dict)

    def as_of(self, moment_ms: int) -> Bars:
        """The bars as they were known then."""
        found: list[tuple[Any, ...]] = []
        older = list(zip(*self.replaced.values(), strict=True))
        names = list(self.replaced)
        for row in zip(*self.bars.values(), strict=True):
            bar = dict(zip(self.bars, row, strict=True))
            for old in older:
                was = dict(zip(names, old, strict=True))
                if was["open_time_ms"] == bar["open_time_ms"] and was["replaced_at_ms"] > moment_ms:
                    bar = {name: was.get(name, bar[name]) for name in bar}
                    break
            since = next(at for start, end, at in self.known if start <= bar["open_time_ms"] < end)
            if since <= moment_ms:
                found.append(tuple(bar.values()))
        return dict(zip(self.bars, map(list, zip(*found, strict=True)), strict=True)) if found else {}


def read(path: Path) -> ReadSegment:
    """Read a file of version 2 or 3; ValueError for anything else."""
    data = path.read_bytes()
    magic, version, header_bytes, body_bytes = struct.unpack_from("<8sIIQ", data)
    front = 24 + header_bytes
    is_known = magic == bytes.fromhex("89 43 41 4E 44 4C 45 0A") and version in (2, 3)
    if not is_known or len(data) != front + 16 + body_bytes + 16:
        raise ValueError("no candle file of version 2 or 3")
    for end in (front, len(data) - 16):
        if hashlib.blake2b(data[:end], digest_size=16).digest() != data[end : end + 16]:
            raise ValueError("damaged")
    header, body = msgpack.unpackb(data[24:front]), msgpack.unpackb(data[front + 16 : -16])
    broker, symbol, interval, variant, grid = header["dataset"]
    later = fixed(int(interval[:-1]) * UNITS_MS[interval[-1]]) if version == 2 else calendar(header["grid"])
    asked = spans(header["asked"], later)
    openings = [opening for run in spans(header["runs"], later) for opening in bars_of(run, later)]
    assert len(openings) == header["rows"]
    return ReadSegment(
        (broker, symbol, interval, variant, grid),
        asked,
        spans(header["provisional"], later),
        {"open_time_ms": openings, **columns(body["columns"], header["rows"])},
        pieces(asked, columns(body["known"], body["pieces"]), later),
        columns(body["replaced"], header["replaced"]),
        {name: spans(header[name], later) for name in STATES if name in header},
        header.get("listings", []),
        {name: spans(runs, later) for name, runs in header.get("sources", [])},
    )


def fixed(step: int) -> Later:
    return lambda edge, bars: edge + bars * step


def calendar(packed: list[int]) -> Later:
    lengths = [length for length, bars in zip(packed[1::2], packed[2::2], strict=True) for length in [length] * bars]
    edges = list(accumulate(lengths, initial=packed[0])) if packed else []
    return lambda edge, bars: edges[edges.index(edge) + bars]


def spans(packed: list[int], later: Later) -> list[Span]:
    edges = packed[:1]
    for bars in packed[1:]:
        edges.append(later(edges[-1], bars))
    return list(pairwise(edges))[::2]


def bars_of(run: Span, later: Later) -> list[int]:
    openings = [run[0]]
    while later(openings[-1], 1) < run[1]:
        openings.append(later(openings[-1], 1))
    return openings


def pieces(asked: list[Span], known: Bars, later: Later) -> list[tuple[int, int, int]]:
    rest = list(asked)
    found = []
    for bars, since_ms in zip(known["bars"], known["since_ms"], strict=True):
        start, end = rest.pop(0)
        middle = later(start, bars)
        assert middle <= end
        found.append((start, middle, since_ms))
        if middle < end:
            rest.insert(0, (middle, end))
    assert not rest
    return found


def columns(packed: list[Any], rows: int) -> Bars:
    """The prices first, because other columns are predicted from them; then the rest in order."""
    records = {
        name: (kind, decimals, prediction, numbers, misses)
        for name, kind, decimals, prediction, numbers, misses in packed
    }
    values: Bars = {}
    if any(record[2] == "open" for record in records.values()):
        for name, whole in prices({name: integers(records[name][3], rows) for name in PRICES}, rows).items():
            values[name] = column(records[name], whole, rows)
    for name, record in records.items():
        if name not in values:
            values[name] = column(record, undone(record, integers(record[3], rows), values, rows), rows)
    return {name: values[name] for name in records}


def integers(planes: list[Any], rows: int) -> list[int]:
    values = [0] * rows
    for number, plane in enumerate(planes):
        if isinstance(plane, int):
            octets = bytes([plane]) * rows
        else:
            octets = plane if len(plane) == rows else zstandard.ZstdDecompressor().decompress(plane)
        assert len(octets) == rows
        values = [value | octet << 8 * number for value, octet in zip(values, octets, strict=True)]
    return [(value >> 1) ^ -(value & 1) for value in values]


def wrap(value: int) -> int:
    return (value + 2**63) % 2**64 - 2**63


def prices(left: dict[str, list[int]], rows: int) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {name: [] for name in PRICES}
    close = 0
    for row in range(rows):
        opening = wrap(close + left["open"][row])
        close = wrap(opening + left["close"][row])
        high, low = max(opening, close) + left["high"][row], min(opening, close) - left["low"][row]
        for name, value in zip(PRICES, (opening, wrap(high), wrap(low), close), strict=True):
            found[name].append(value)
    return found


def undone(record: Any, left: list[int], values: Bars, rows: int) -> list[int]:
    _, decimals, prediction, _, _ = record
    if prediction == "value":
        return left
    if prediction == "previous":
        whole, last = [], 0
        for number in left:
            last = wrap(last + number)
            whole.append(last)
        return whole
    factors, divisors = prediction
    return [wrap(number + product(factors, divisors, decimals, values, row)) for row, number in enumerate(left)]


def product(factors: list[str], divisors: list[str], decimals: int, values: Bars, row: int) -> int:
    with np.errstate(all="ignore"):
        result = operand(factors[0], values, row)
        for name in factors[1:]:
            result = result * operand(name, values, row)
        for name in divisors:
            result = result / operand(name, values, row)
        result = np.rint(result * np.float64(10**decimals))
    return int(result) if np.isfinite(result) and abs(result) <= 2**53 else 0


def operand(name: str, values: Bars, row: int) -> np.float64:
    if name == "ohlc4":
        opening, high, low, close = (np.float64(values[price][row]) for price in PRICES)
        return np.float64(((opening + high) + (low + close)) / np.float64(4))
    return np.float64(values[name][row])


def column(record: Any, whole: list[int], rows: int) -> list[Any]:
    kind, decimals, _, _, misses = record
    if kind == "i8":
        return whole
    if decimals is None:
        return [from_bits(number) for number in whole]
    near = [float(number) / float(10**decimals) for number in whole]
    if not misses:
        return near
    return [from_bits(wrap(bits(value) + miss)) for value, miss in zip(near, integers(misses, rows), strict=True)]


def bits(value: float) -> int:
    return int(struct.unpack("<q", struct.pack("<d", value))[0])


def from_bits(pattern: int) -> float:
    return float(struct.unpack("<d", struct.pack("<q", pattern))[0])
