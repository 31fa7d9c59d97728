"""Answers: what a broker said to a query, unchecked."""

from __future__ import annotations

from dataclasses import dataclass

from domain.brokers.queries import Instrument
from domain.candles.candles import RawCandles
from domain.spans.span_set import NO_SPANS, SpanSet


@dataclass(frozen=True, slots=True)
class Part:
    """What one response says of one instrument.

    `rows` may come in any order, with the bar still forming. `answered` is what of the query's span the
    response speaks for in full: where it was cut, only up to the cut. `out_of_reach` the broker does not serve.
    """

    instrument: Instrument
    rows: RawCandles
    answered: SpanSet
    out_of_reach: SpanSet = NO_SPANS


@dataclass(frozen=True, slots=True)
class Answer:
    """One response. By the broker's own clock, bars that end at or before `closed_before_ms` are final.

    `source` names where the rows come from ("rest", "archive").
    """

    parts: tuple[Part, ...]
    closed_before_ms: int
    source: str = "rest"
