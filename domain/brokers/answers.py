"""Answers: a broker's responses to a query, not validated yet."""

from __future__ import annotations

from dataclasses import dataclass

from domain.brokers.queries import Instrument
from domain.candles.candles import RawCandles
from domain.spans.span_set import NO_SPANS, SpanSet


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a response about one instrument.

    `rows` may come in any order, with the forming bar. `answered` is the part of the query's span that the response
    answers in full: where it was cut, only up to the cut. `out_of_reach` is what the broker does not serve.
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
