"""Completeness and certificates in words and as plain JSON values: pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Any

from actors.cli.text.progress import timestamp_text
from domain.candles.certificates import Certificate, hash_of_all
from domain.candles.completeness import Completeness
from domain.candles.dataset import Dataset
from domain.candles.validation import QuarantinedCandle
from domain.spans.grid import FixedGrid
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan, from_milliseconds

LISTED = (
    ("missing", "missing", "never answered"),
    ("due", "due", "provisional, and old enough to be asked again"),
    ("gaps", "gap", "expected, and denied by the broker"),
    ("unexpected", "unexpected", "outside of the sessions: the calendar is suspect"),
)
LISTED_ON_REQUEST = (
    ("provisional", "provisional", "may still change"),
    ("closed", "closed", "nothing is expected"),
)


def gap_rows(one: Completeness, show_all: bool) -> Iterator[tuple[str, ...]]:
    """A row for each span that there is something to say of, and for each damaged file."""
    head = (one.dataset.symbol, str(one.dataset.interval))
    for damage in one.damaged:
        yield (*head, "damaged", "", "", "", f"{damage.path}: {damage.reason}")
    for name, what, note in (*LISTED, *(LISTED_ON_REQUEST if show_all else ())):
        for span, bars in _runs(one, name):
            yield (*head, what, timestamp_text(span.start), timestamp_text(span.end), f"{bars:,}", note)


def gaps_summary(judged: Sequence[Completeness]) -> str:
    """One line over all datasets."""
    complete = sum(one.is_complete for one in judged)
    parts = [f"{complete:,} of {len(judged):,} datasets are complete"]
    for name, what in (("missing", "bars missing"), ("gaps", "bars in gaps"), ("unexpected", "bars unexpected")):
        bars = sum(one.bars(getattr(one, name)) for one in judged)
        if bars:
            parts.append(f"{bars:,} {what}")
    return ", ".join(parts)


def gaps_json(one: Completeness) -> dict[str, Any]:
    """A dataset's completeness as plain values: spans in ISO 8601 with the bars they have room for."""
    names = [name for name, *_ in (*LISTED, *LISTED_ON_REQUEST)]
    return {
        **_identity(one),
        "complete": one.is_complete,
        "bars_expected": one.bars(one.expected),
        "bars_stored": one.bars(one.stored),
        **{name: [_span_json(span, bars) for span, bars in _runs(one, name)] for name in names},
        "damaged": [{"path": damage.path, "reason": damage.reason} for damage in one.damaged],
    }


def certificate_row(certificate: Certificate) -> tuple[str, ...]:
    """A certificate as a row of a table."""
    one = certificate.completeness
    dataset = one.dataset
    return (
        "yes" if certificate.is_proven else "NO",
        f"{dataset.broker} {dataset.symbol} {dataset.interval} {dataset.stored_variant}",
        timestamp_text(one.span.start),
        timestamp_text(one.span.end),
        one.calendar,
        f"{certificate.bars:,}",
        f"{one.bars(one.expected):,}",
        f"{one.bars(one.gaps):,}",
        f"{certificate.quarantined:,}",
        certificate.content_hash,
    )


def certificate_json(certificate: Certificate) -> dict[str, Any]:
    """A certificate as plain values."""
    one = certificate.completeness
    counted = ("expected", "missing", "gaps", "closed", "unexpected", "provisional", "due")
    return {
        **_identity(one),
        "proven": certificate.is_proven,
        "bars": certificate.bars,
        **{f"bars_{name}": one.bars(getattr(one, name)) for name in counted},
        "quarantined": certificate.quarantined,
        "content_hash": certificate.content_hash,
        "problems": list(certificate.problems),
    }


def proof_summary(certificates: Sequence[Certificate]) -> dict[str, Any]:
    """What all certificates come to."""
    return {
        "proven": sum(one.is_proven for one in certificates),
        "bars": sum(one.bars for one in certificates),
        "content_hash": hash_of_all(certificates),
    }


def refused_row(dataset: Dataset, candle: QuarantinedCandle) -> tuple[str, ...]:
    """A refused bar as a row of a table."""
    values = " ".join(f"{name}={value}" for name, value in candle.columns)
    return dataset.symbol, _opening_text(candle), candle.reason, values


def refused_json(dataset: Dataset, candle: QuarantinedCandle) -> dict[str, Any]:
    """A refused bar as plain values; what is no number stands there as text, for JSON has no NaN."""
    return {
        "symbol": dataset.symbol,
        "interval": str(dataset.interval),
        "open_time_ms": candle.open_time_ms,
        "reason": candle.reason,
        "values": {name: value if isfinite(value) else str(value) for name, value in candle.columns},
    }


def _opening_text(candle: QuarantinedCandle) -> str:
    try:
        return timestamp_text(from_milliseconds(candle.open_time_ms))
    except OverflowError:
        return f"{candle.open_time_ms} ms"


def _identity(one: Completeness) -> dict[str, Any]:
    dataset, grid = one.dataset, one.dataset.grid
    return {
        "broker": dataset.broker,
        "symbol": dataset.symbol,
        "interval": str(dataset.interval),
        "adjustment": dataset.stored_variant,
        **({"anchor_ms": grid.anchor_ms} if isinstance(grid, FixedGrid) else {"grid": grid.key}),
        "start": one.span.start.isoformat(),
        "end": one.span.end.isoformat(),
        "calendar": one.calendar,
    }


def _runs(one: Completeness, name: str) -> list[tuple[TimeSpan, int]]:
    spans: SpanSet = getattr(one, name)
    return one.gap_runs if name == "gaps" else [(span, one.bars([span])) for span in spans]


def _span_json(span: TimeSpan, bars: int) -> dict[str, Any]:
    return {"start": span.start.isoformat(), "end": span.end.isoformat(), "bars": bars}
