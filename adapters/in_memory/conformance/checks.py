"""The checks: each is a promise of every gateway; a broken one raises AssertionError with a sentence."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeAlias

from adapters.in_memory.conformance.collected import (
    Collected,
    collect,
    instruments_of,
    require,
    require_sound,
    wrong_answers,
)
from adapters.in_memory.conformance.shapes import SHAPES
from adapters.in_memory.conformance.subject import GatewayUnderTest
from adapters.in_memory.conformance.wire_checks import (
    a_request_that_is_cancelled_leaves_its_permit_abandoned,
    closed_connections_open_again,
    each_trouble_is_told_as_what_it_is,
    no_request_leaves_without_a_permit,
)
from domain.brokers.queries import Wanted
from domain.candles.dataset import Interval
from domain.errors import BrokerError, SettingsError
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan

Check: TypeAlias = Callable[[GatewayUnderTest], Awaitable[None]]

NO_INTERVAL = Interval("97m")


async def every_bar_comes_exactly_once(subject: GatewayUnderTest) -> None:
    """All missing bars come, each once, and no answer covers a bar that it lacks."""
    for name, missing_of in SHAPES.items():
        require_sound(await collect(subject, missing_of(subject)), f"with {name} missing")


async def as_many_requests_are_made_as_planned(subject: GatewayUnderTest) -> None:
    """Exact queries make as many requests as they have charges, each with a permit for that many tokens."""
    for name, missing_of in SHAPES.items():
        found = await collect(subject, missing_of(subject))
        permits = found.permits.granted - found.permits.unused
        require(
            permits == found.requests,
            f"with {name} missing: {found.requests} requests were made under {permits} permits",
        )
        if not all(query.is_exact for query in found.queries):
            continue
        charges = [charge for query in found.queries for charge in query.charges]
        for query, requests in zip(found.queries, found.requests_of, strict=True):
            require(
                len(query.charges) == requests,
                f"with {name} missing: {len(query.charges)} requests were planned for {query.symbols} in {query.span}, "
                f"and {requests} were made",
            )
        for one, spans in found.asked_again.items():
            require(
                not spans,
                f"with {name} missing: {one.key} had to be asked for again where no query had spoken for it, in "
                f"{spans}: a response that is not cut speaks for its whole query, up to both ends",
            )
        tokens = sum(charge.tokens for charge in charges)
        require(
            tokens == found.permits.tokens_granted,
            f"with {name} missing: {tokens} tokens were planned, and {found.permits.tokens_granted} were used",
        )


async def queries_are_sound_and_the_same_each_time(subject: GatewayUnderTest) -> None:
    """The plan and the worker make the same queries: no more symbols than one may name, and all that is wanted."""
    spec = subject.gateway.spec
    for name, missing_of in SHAPES.items():
        found = await collect(subject, missing_of(subject))
        for query in found.queries:
            require(query.span, f"with {name} missing: a query wants nothing")
            require(query.span == subject.grid.align(query.span), f"{query.span} does not lie on the grid")
            require(len(query.instruments) <= spec.most_instruments, f"a query names {len(query.instruments)} symbols")
            require(query.charges, f"with {name} missing: a query costs nothing")
    found = await collect(subject, SHAPES["all"](subject))
    whole = {one: Wanted(spans, spans) for one, spans in found.missing.items()}
    first, second = (subject.gateway.queries(dict(whole), subject.now_ms) for _ in range(2))
    require(first == second, "the same missing spans give two different sets of queries")


async def more_bars_than_expected_are_not_lost(subject: GatewayUnderTest) -> None:
    """A wrong calendar loses nothing: bars for which a response had no room come with another."""
    openings = subject.grid.openings([subject.extent]).tolist()
    expected = SpanSet(TimeSpan(opening, subject.grid.later(opening, 1)) for opening in openings[::7])
    found = await collect(subject, SHAPES["all"](subject), expected)
    require_sound(found, "with one bar in seven expected")


async def another_way_brings_the_same_bars(subject: GatewayUnderTest) -> None:
    """The second answer for a stretch has the same bars as the first."""
    found = await collect(subject, SHAPES["one bar"](subject))
    again = Collected(subject, dict(found.missing))
    wire = subject.transport.wire(again.permits)
    for query in found.queries:
        doubtful = {one: spans for one in query.instruments if (spans := found.missing[one].within(query.span))}
        for other in subject.gateway.another_way(query, doubtful):
            again.answers += [(other, answer) async for answer in subject.gateway.answers(other, wire)]
    require_sound(again, "queried another way")


async def bars_that_have_closed_are_known_as_closed(subject: GatewayUnderTest) -> None:
    """Bars are final by the broker's own clock, and never by a clock that is ahead of it."""
    found = await collect(subject, SHAPES["the last half"](subject))
    for _, answer in found.answers:
        require(
            subject.now_ms - 60_000 <= answer.closed_before_ms <= subject.now_ms,
            f"bars are called final up to {answer.closed_before_ms}, and the broker's clock shows {subject.now_ms}",
        )


async def nothing_damaged_is_answered(subject: GatewayUnderTest) -> None:
    """No row of a body is answered before its checksum matches; an error counts as no answer."""
    found = Collected(subject)
    wire = subject.transport.wire(found.permits)
    for one in await instruments_of(subject, subject.damaged, wire):
        found.missing[one] = SpanSet([subject.extent])
        wanted = Wanted(found.missing[one], found.missing[one] - subject.closures)
        for query in subject.gateway.queries({one: wanted}, subject.now_ms):
            with suppress(BrokerError):
                async for answer in subject.gateway.answers(query, wire):
                    found.answers.append((query, answer))
    for problem in wrong_answers(found, subject.damaged):
        raise AssertionError(f"answered before its checksum matched: {problem}")


async def an_interval_that_there_is_not_is_refused_with_those_there_are(subject: GatewayUnderTest) -> None:
    """SettingsError, where the spec names intervals at all."""
    intervals = subject.gateway.spec.intervals
    require(not intervals or subject.interval.name in intervals, f"{subject.interval} is not one of {intervals}")
    if not intervals:
        return
    try:
        subject.gateway.dataset(subject.symbols[0], NO_INTERVAL)
    except SettingsError as error:
        require(intervals[0] in str(error), f"{error} should name the known intervals")
    else:
        raise AssertionError(f"the interval {NO_INTERVAL} is accepted, and the spec does not name it")


CHECKS: tuple[Check, ...] = (
    every_bar_comes_exactly_once,
    as_many_requests_are_made_as_planned,
    queries_are_sound_and_the_same_each_time,
    more_bars_than_expected_are_not_lost,
    another_way_brings_the_same_bars,
    bars_that_have_closed_are_known_as_closed,
    nothing_damaged_is_answered,
    an_interval_that_there_is_not_is_refused_with_those_there_are,
    no_request_leaves_without_a_permit,
    each_trouble_is_told_as_what_it_is,
    a_request_that_is_cancelled_leaves_its_permit_abandoned,
    closed_connections_open_again,
)
"""All checks, in the order in which failures are easiest to fix."""
