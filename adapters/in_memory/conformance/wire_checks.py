"""The checks of what goes over the wire: permits, troubles, cancellation, connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from adapters.in_memory.conformance.collected import collect, instruments_of, require, require_sound
from adapters.in_memory.conformance.shapes import SHAPES
from adapters.in_memory.conformance.subject import GatewayUnderTest
from adapters.in_memory.limiter import InMemoryRateLimiter
from domain.brokers.queries import Wanted
from domain.errors import BrokerError, BrokerThrottled
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan

PATIENCE_SECONDS = 10.0
POLL_SECONDS = 0.001


async def no_request_leaves_without_a_permit(subject: GatewayUnderTest) -> None:
    """A request that waits for its permit has sent nothing."""
    permits, seen = InMemoryRateLimiter(), subject.requests_seen()
    permits.gate.clear()
    fetching = asyncio.create_task(_ask_for_a_bar(subject, subject.symbols[0], permits))
    await _until(lambda: permits.waiting or fetching.done())
    require(subject.requests_seen() == seen and not fetching.done(), "a request left without a permit")
    permits.gate.set()
    require(await fetching is None, "a request that had to wait for its permit was not answered")


async def each_trouble_is_told_as_what_it_is(subject: GatewayUnderTest) -> None:
    """An error of the right kind, without retries, that names broker and symbol; cooldowns begin where they have to."""
    for symbol, kind in subject.troubles.items():
        permits, seen = InMemoryRateLimiter(), subject.requests_seen()
        error = await _ask_for_a_bar(subject, symbol, permits)
        require(type(error) is kind, f"{symbol} should end with {kind.__name__}, and ended with {error!r}")
        assert error is not None
        require(symbol in error.symbol, f"{error!r} should name {symbol}")
        require(error.broker == subject.gateway.spec.name, f"{error!r} should name {subject.gateway.spec.name}")
        requests = subject.requests_seen() - seen
        require(requests == permits.granted <= _most_requests(subject), f"{symbol}: the gateway retries by itself")
        require(bool(permits.cooldowns) == (kind is BrokerThrottled), f"{symbol}: cooldowns are {permits.cooldowns}")


async def a_request_that_is_cancelled_leaves_its_permit_abandoned(subject: GatewayUnderTest) -> None:
    """A cancelled request may still arrive, and has to be counted."""
    if subject.hanging is None:
        return
    permits = InMemoryRateLimiter()
    seen = subject.requests_seen() + _most_requests(subject) - 1
    fetching = asyncio.create_task(_ask_for_a_bar(subject, subject.hanging, permits))
    await _until(lambda: subject.requests_seen() > seen or fetching.done())
    fetching.cancel()
    await asyncio.wait([fetching])
    require(fetching.cancelled(), "a request that is cancelled ends as if it were not")
    require(
        (permits.abandoned, permits.unused) == (1, 0),
        f"of its permits {permits.abandoned} are abandoned and {permits.unused} unused, not 1 and 0",
    )


async def closed_connections_open_again(subject: GatewayUnderTest) -> None:
    """After closing, the next request opens other connections."""
    for _ in range(2):
        await subject.transport.close()
    require_sound(await collect(subject, SHAPES["one bar"](subject)), "after the connections were closed")


async def _ask_for_a_bar(subject: GatewayUnderTest, symbol: str, permits: InMemoryRateLimiter) -> BrokerError | None:
    """Query the last bar of a symbol; returns what the gateway raised."""
    wire = subject.transport.wire(permits)
    end_ms = subject.extent.end_ms
    spans = SpanSet([TimeSpan(subject.grid.floor_ms(end_ms - 1), end_ms)])
    try:
        (instrument,) = await instruments_of(subject, [symbol], wire)
        for query in subject.gateway.queries({instrument: Wanted(spans, spans)}, subject.now_ms):
            async for _ in subject.gateway.answers(query, wire):
                pass
    except BrokerError as error:
        return error
    return None


def _most_requests(subject: GatewayUnderTest) -> int:
    """One request, and one more where the gateway looks up listings first."""
    return 2 if subject.gateway.spec.finds_listings else 1


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event to tell
            await asyncio.sleep(POLL_SECONDS)
