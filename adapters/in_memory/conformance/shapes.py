"""Ten shapes of missing spans, as a worker may have to collect them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from adapters.in_memory.conformance.subject import GatewayUnderTest
from domain.spans.span_set import NO_SPANS, SpanSet
from domain.spans.time_span import TimeSpan

Missing: TypeAlias = dict[str, SpanSet]
"""The missing spans of each symbol."""

_STRIPES = 12
_GAPS = 40


def _of_each(subject: GatewayUnderTest, spans: SpanSet) -> Missing:
    return dict.fromkeys(subject.symbols, spans)


def _bars(subject: GatewayUnderTest, first: float, end: float) -> SpanSet:
    """The bars from one share of all bars up to another."""
    openings = subject.grid.openings([subject.extent])
    count = len(openings)
    first_bar, end_bar = int(first * count), max(int(end * count), int(first * count) + 1)
    return SpanSet([_between(subject, int(openings[first_bar]), int(openings[end_bar - 1]))])


def _between(subject: GatewayUnderTest, first_ms: int, last_ms: int) -> TimeSpan:
    return TimeSpan(first_ms, subject.grid.later(last_ms, 1))


def _all(subject: GatewayUnderTest) -> Missing:
    return _of_each(subject, SpanSet([subject.extent]))


def _none(subject: GatewayUnderTest) -> Missing:
    return _of_each(subject, NO_SPANS)


def _one_bar(subject: GatewayUnderTest) -> Missing:
    return {symbol: SpanSet([_middle_bar(subject, symbol)]) for symbol in subject.symbols}


def _middle_bar(subject: GatewayUnderTest, symbol: str) -> TimeSpan:
    openings = subject.truth[symbol].open_time_ms
    opening_ms = int(openings[len(openings) // 2])
    return _between(subject, opening_ms, opening_ms)


def _first_half(subject: GatewayUnderTest) -> Missing:
    return _of_each(subject, _bars(subject, 0.0, 0.5))


def _last_half(subject: GatewayUnderTest) -> Missing:
    return _of_each(subject, _bars(subject, 0.5, 1.0))


def _alternating(subject: GatewayUnderTest) -> Missing:
    stripes = [span for one in range(0, _STRIPES, 2) for span in _bars(subject, one / _STRIPES, (one + 1) / _STRIPES)]
    return _of_each(subject, SpanSet(stripes))


def _small_gaps(subject: GatewayUnderTest) -> Missing:
    openings = subject.grid.openings([subject.extent])
    chosen = openings[:: max(2, len(openings) // _GAPS)].tolist()
    return _of_each(subject, SpanSet(_between(subject, opening, opening) for opening in chosen))


def _differing(subject: GatewayUnderTest) -> Missing:
    share = 1 / (len(subject.symbols) + 1)
    return {
        symbol: _bars(subject, place * share, (place + 1.5) * share) for place, symbol in enumerate(subject.symbols)
    }


def _before_the_listing(subject: GatewayUnderTest) -> Missing:
    duration_ms = subject.extent.duration_ms // 3
    span = TimeSpan(subject.extent.start_ms - duration_ms, subject.extent.start_ms + duration_ms)
    return _of_each(subject, SpanSet([subject.grid.align(span)]))


def _over_a_closure(subject: GatewayUnderTest) -> Missing:
    closures = [span for span in subject.closures if subject.extent.covers(span)]
    if not closures:
        return _none(subject)
    longest = max(closures, key=lambda span: span.duration_ms)
    around = TimeSpan(longest.start_ms - longest.duration_ms, longest.end_ms + longest.duration_ms)
    return _of_each(subject, SpanSet([subject.grid.align(around.intersect(subject.extent))]))


SHAPES: Mapping[str, Callable[[GatewayUnderTest], Missing]] = {
    "all": _all,
    "none": _none,
    "one bar": _one_bar,
    "the first half": _first_half,
    "the last half": _last_half,
    "every other stretch": _alternating,
    "many small gaps": _small_gaps,
    "other gaps of each symbol": _differing,
    "a span that begins before the listing": _before_the_listing,
    "a span over a closure of the market": _over_a_closure,
}
