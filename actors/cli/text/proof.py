"""Completeness and certificates in words and as plain JSON values: pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from math import isfinite
from textwrap import wrap
from typing import Any

from actors.cli.text.progress import timestamp_text
from actors.cli.text.tables import WIDTH, folded, table_lines
from domain.candles.certificates import Certificate, hash_of_all
from domain.candles.completeness import Completeness
from domain.candles.dataset import Dataset
from domain.candles.validation import QuarantinedCandle
from domain.spans.grid import FixedGrid
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan, from_milliseconds

LISTED = (
    ("missing", "missing", "never answered"),
    ("due", "due", "provisional, and settled since: due to be requested again"),
    ("gaps", "gap", "expected, and denied by the broker"),
    ("unexpected", "unexpected", "outside of the sessions: the calendar is suspect"),
)
LISTED_ON_REQUEST = (
    ("provisional", "provisional", "may still change"),
    ("closed", "closed", "nothing is expected"),
)


GAP_HEADS = ("SYMBOL", "INTERVAL", "WHAT", "FROM", "TO", "BARS")
CERTIFICATE_HEADS = ("PROVEN", "SYMBOL", "KIND", "SPAN", "CALENDAR", "BARS", "EXPECTED", "GAPS", "REFUSED", "CONTENT")
FOLDED_WORDING = {"KIND": "{}", "SPAN": "{}", "CALENDAR": "calendar {}", "GAPS": "gaps {}", "REFUSED": "refused {}"}
"""How a value that all rows share is written in the line above the table, by column."""

HASH_CHARACTERS = 12
"""Characters of a content hash in a table; `--json` has all of it."""


def gap_lines(judged: Sequence[Completeness], show_all: bool) -> list[str]:
    """A row for each noteworthy span, what the rows' words mean, and the damaged files."""
    listed = (*LISTED, *(LISTED_ON_REQUEST if show_all else ()))
    rows = [row for one in judged for name, what, _ in listed for row in _gap_rows(one, name, what)]
    found = {what for _, _, what, *_ in rows}
    meanings = [f"{what}: {meaning}" for _, what, meaning in listed if what in found]
    damaged = [f"damaged: {damage.path}: {damage.reason}" for one in judged for damage in one.damaged]
    return [*(table_lines(GAP_HEADS, rows) if rows else ()), *meanings, *damaged]


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


def certificate_lines(certificates: Sequence[Certificate]) -> list[str]:
    """A row for each certificate, under a line with the values that all share."""
    shared, heads, rows = folded(CERTIFICATE_HEADS, map(_certificate_row, certificates), FOLDED_WORDING)
    return [*([shared] if shared else ()), *table_lines(heads, rows)]


def _certificate_row(certificate: Certificate) -> tuple[str, ...]:
    one = certificate.completeness
    dataset = one.dataset
    return (
        "yes" if certificate.is_proven else "NO",
        dataset.symbol,
        f"{dataset.broker} {dataset.interval} {dataset.stored_variant}",
        f"{_brief(one.span.start)} to {_brief(one.span.end)}",
        one.calendar,
        f"{certificate.bars:,}",
        f"{one.bars(one.expected):,}",
        f"{one.bars(one.gaps):,}",
        f"{certificate.quarantined:,}",
        certificate.content_hash[:HASH_CHARACTERS],
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
    """The totals over all certificates."""
    return {
        "proven": sum(one.is_proven for one in certificates),
        "bars": sum(one.bars for one in certificates),
        "content_hash": hash_of_all(certificates),
    }


def refused_lines(refused: Sequence[tuple[Dataset, QuarantinedCandle]]) -> Iterator[str]:
    """A row for each refused bar, with its values below it."""
    head, *rows = table_lines(
        ("SYMBOL", "OPENS", "REASON"), ((dataset.symbol, _opening_text(one), one.reason) for dataset, one in refused)
    )
    yield head
    for row, (_, candle) in zip(rows, refused, strict=True):
        yield row
        values = " ".join(f"{name}={value}" for name, value in candle.columns)
        yield from wrap(values, WIDTH, initial_indent="  ", subsequent_indent="  ")


def refused_json(dataset: Dataset, candle: QuarantinedCandle) -> dict[str, Any]:
    """A refused bar as plain values; NaN and infinities are text, for JSON has no NaN."""
    return {
        "symbol": dataset.symbol,
        "interval": str(dataset.interval),
        "open_time_ms": candle.open_time_ms,
        "reason": candle.reason,
        "values": {name: value if isfinite(value) else str(value) for name, value in candle.columns},
    }


def _gap_rows(one: Completeness, name: str, what: str) -> Iterator[tuple[str, ...]]:
    for span, bars in _runs(one, name):
        begins, ends = timestamp_text(span.start), timestamp_text(span.end)
        yield one.dataset.symbol, str(one.dataset.interval), what, begins, ends, f"{bars:,}"


def _brief(moment: datetime) -> str:
    """A timestamp without its zeros: a date for midnight, and no seconds for a whole minute."""
    text = timestamp_text(moment)
    for zero, kept in ((" 00:00:00Z", ""), (":00Z", "Z")):
        if text.endswith(zero):
            return text.removesuffix(zero) + kept
    return text


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
