"""Collected: a gateway's queries and answers for missing spans, and their mistakes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from adapters.in_memory.conformance.subject import GatewayUnderTest
from adapters.in_memory.limiter import InMemoryRateLimiter
from domain.brokers.answers import Answer, Part
from domain.brokers.queries import Instrument, Query, Wanted, grouped
from domain.brokers.wire import Wire
from domain.candles.candles import CORE_COLUMNS, Candles
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan, from_milliseconds

Openings = NDArray[np.int64]


@dataclass
class Collected:
    """Queries and their answers, in order; the requests of each, and the spans that had to be requested again."""

    subject: GatewayUnderTest
    missing: dict[Instrument, SpanSet] = field(default_factory=dict)
    answers: list[tuple[Query, Answer]] = field(default_factory=list)
    queries: list[Query] = field(default_factory=list)
    requests_of: list[int] = field(default_factory=list)
    asked_again: dict[Instrument, SpanSet] = field(default_factory=dict)
    permits: InMemoryRateLimiter = field(default_factory=InMemoryRateLimiter)
    requests: int = 0

    def parts(self, instrument: Instrument) -> Iterator[tuple[Query, Answer, Part]]:
        """Every part about an instrument."""
        for query, answer in self.answers:
            for part in answer.parts:
                if part.instrument == instrument:
                    yield query, answer, part

    def unanswered(self, instrument: Instrument) -> SpanSet:
        """The wanted spans of an instrument that were neither answered nor out of reach."""
        left = self.missing[instrument]
        for _, _, part in self.parts(instrument):
            left = left - part.answered - part.out_of_reach
        return left


async def collect(
    subject: GatewayUnderTest, missing: Mapping[str, SpanSet], expected: SpanSet | None = None
) -> Collected:
    """Query what is missing, as a worker does: symbols in groups, queries in order, answers to their end.

    Without `expected`, every bar outside of the market's closures is expected.
    """
    instruments = await instruments_of(subject, missing, subject.transport.wire(InMemoryRateLimiter()))
    found = Collected(subject, dict(zip(instruments, missing.values(), strict=True)))
    wire, seen = subject.transport.wire(found.permits), subject.requests_seen()
    for group in grouped(list(found.missing), subject.gateway.spec.most_instruments):
        left = {one: found.missing[one] for one in group}
        while any(left.values()):
            queries = subject.gateway.queries(_wanted(subject, left, expected), subject.now_ms)
            await _ask(found, queries, wire)
            before, left = left, {one: found.unanswered(one) for one in group}
            for one in group:
                found.asked_again.setdefault(one, left[one])
            if left == before:
                break
    found.requests = subject.requests_seen() - seen
    return found


async def instruments_of(subject: GatewayUnderTest, symbols: Iterable[str], wire: Wire) -> list[Instrument]:
    """The instruments of the symbols; raises AssertionError for one that the gateway leaves out."""
    datasets = [subject.dataset(symbol) for symbol in symbols]
    instruments = await subject.gateway.resolve(datasets, wire)
    for dataset in datasets:
        require(dataset in instruments, f"the gateway does not resolve {dataset.symbol}")
    return [instruments[dataset] for dataset in datasets]


def require(condition: object, sentence: str) -> None:
    """Raise AssertionError with the sentence unless the condition holds."""
    if not condition:
        raise AssertionError(sentence)


def require_sound(found: Collected, what: str) -> None:
    """Raise AssertionError with the first mistake in the answers, or the first span without an answer."""
    for problem in (*wrong_answers(found, found.subject.truth), *_unanswered(found)):
        raise AssertionError(f"{what}: {problem}")


def _wanted(
    subject: GatewayUnderTest, left: Mapping[Instrument, SpanSet], expected: SpanSet | None
) -> dict[Instrument, Wanted]:
    return {
        one: Wanted(spans, SpanSet([spans.extent]) - subject.closures if expected is None else expected)
        for one, spans in left.items()
        if spans
    }


async def _ask(found: Collected, queries: list[Query], wire: Wire) -> None:
    for query in queries:
        found.queries.append(query)
        seen = found.subject.requests_seen()
        async for answer in found.subject.gateway.answers(query, wire):
            found.answers.append((query, answer))
        found.requests_of.append(found.subject.requests_seen() - seen)


def wrong_answers(found: Collected, truth: Mapping[str, Candles]) -> Iterator[str]:
    """The mistakes in the answers, the first cause first."""
    for instrument in found.missing:
        candles = truth[instrument.dataset.symbol]
        yield from _wrong_rows(found, instrument, candles)
        yield from _repeated(found, instrument)
        yield from _overstated(found, instrument, candles)
        yield from _reach(found, instrument)


def _unanswered(found: Collected) -> Iterator[str]:
    for instrument in found.missing:
        if left := found.unanswered(instrument):
            yield f"{instrument.key}: {left[0]} was wanted, and neither answered nor reported out of reach"


def _wrong_rows(found: Collected, instrument: Instrument, truth: Candles) -> Iterator[str]:
    """Rows that the broker does not have, or has with other values."""
    places = {opening: place for place, opening in enumerate(truth.open_time_ms.tolist())}
    for _, answer, part in found.parts(instrument):
        for row, opening in enumerate(part.rows.open_time_ms.tolist()):
            place = places.get(opening)
            if place is None:
                if instrument.dataset.later(instrument.dataset.floor_ms(opening), 1) <= answer.closed_before_ms:
                    yield f"{instrument.key}: a bar that opens at {_at(opening)} came, and the broker has none"
                continue
            for name in CORE_COLUMNS:
                came, true = getattr(part.rows, name)[row], getattr(truth, name)[place]
                if came != true:
                    yield f"{instrument.key}: {name} of the bar at {_at(opening)} is {true:g}, and {came:g} came"


def _repeated(found: Collected, instrument: Instrument) -> Iterator[str]:
    """Bars that came more than once, or outside of their query's span."""
    came = [part.rows.open_time_ms for _, _, part in found.parts(instrument)]
    openings, counts = np.unique(np.concatenate(came), return_counts=True) if came else (np.empty(0), np.empty(0))
    for opening, count in zip(openings[counts > 1].tolist(), counts[counts > 1].tolist(), strict=True):
        yield (
            f"{instrument.key}: the bar at {_at(opening)} came {count} times: where a broker includes the end, "
            "it belongs to one query only"
        )
    for query, _, part in found.parts(instrument):
        outside = _outside(part.rows.open_time_ms, SpanSet([query.span]))
        if len(outside):
            yield f"{instrument.key}: the bar at {_at(outside[0])} lies outside of the span of its query, {query.span}"
        elif len(beyond := _outside(part.rows.open_time_ms, part.answered)):
            yield f"{instrument.key}: the bar at {_at(beyond[0])} came outside of the answered span"


def _overstated(found: Collected, instrument: Instrument, truth: Candles) -> Iterator[str]:
    """Answered spans in which bars are missing that the broker has."""
    for query, answer, part in found.parts(instrument):
        if part.answered - SpanSet([query.span]):
            yield f"{instrument.key}: {part.answered} is more than the query's span {query.span}"
        spoken_for = _inside(truth.open_time_ms, part.answered)
        absent = np.setdiff1d(spoken_for, part.rows.open_time_ms)
        if len(absent):
            is_last = [last for asked, last in found.answers if asked is query][-1] is answer
            yield f"{instrument.key}: {_cause(found.subject, instrument, absent, is_last)}"


def _cause(subject: GatewayUnderTest, instrument: Instrument, absent: Openings, is_last: bool) -> str:
    what = f"{len(absent)} bars from {_at(absent[0])} on did not come and are called empty"
    reach_ms = subject.reach_ms.get(instrument.dataset.symbol)
    if reach_ms is not None and absent[0] < reach_ms:
        return f"{what}: they are out of the broker's reach, which does not prove that they do not exist"
    if is_last:
        return f"{what} by the last response to a query: a short response is not the end"
    return f"{what} by a response that others followed: one that is cut inside a symbol answers only up to the cut"


def _reach(found: Collected, instrument: Instrument) -> Iterator[str]:
    for _, _, part in found.parts(instrument):
        reach_ms = found.subject.reach_ms.get(instrument.dataset.symbol, found.subject.extent.start_ms)
        within = part.out_of_reach.within(TimeSpan(reach_ms, max(reach_ms, found.subject.now_ms)))
        if within:
            yield f"{instrument.key}: {within[0]} is reported out of reach, and the broker serves it"
        if part.out_of_reach & part.answered:
            yield f"{instrument.key}: {(part.out_of_reach & part.answered)[0]} is both answered and out of reach"


def _inside(openings: Openings, spans: SpanSet) -> Openings:
    chosen = np.zeros(len(openings), np.bool_)
    for span in spans:
        chosen |= (openings >= span.start_ms) & (openings < span.end_ms)
    return openings[chosen]


def _outside(openings: Openings, spans: SpanSet) -> Openings:
    return np.setdiff1d(openings, _inside(openings, spans))


def _at(opening_ms: int) -> str:
    return from_milliseconds(opening_ms).isoformat().replace("+00:00", "Z")
