"""The conformance suite over every gateway there is, and over wrong ones that it has to catch."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import date, datetime
from functools import partial

import pytest

from adapters.in_memory.conformance.collected import collect
from adapters.in_memory.manners import ArchiveGateway, CursorGateway, DayCapGateway, NewestGateway, ZonedDaysGateway
from adapters.in_memory.manners.archive import ARCHIVE, CHECKSUM, REST, file_of, unzipped
from adapters.in_memory.manners.gateway import inside
from candle_collector.testing import CHECKS, SHAPES, GatewayConformance, GatewayUnderTest
from domain.brokers.answers import Answer, Part
from domain.brokers.queries import Instrument, Query
from domain.brokers.wire import Wire
from domain.candles.candles import RawCandles
from domain.errors import MalformedResponse
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan, to_milliseconds
from tests.contract import conformance_subjects as subjects

Subjects = Callable[[], AbstractAsyncContextManager[GatewayUnderTest]]


class TestPlain(GatewayConformance):
    def subject(self) -> AbstractAsyncContextManager[GatewayUnderTest]:
        return subjects.plain()


class TestCursor(GatewayConformance):
    def subject(self) -> AbstractAsyncContextManager[GatewayUnderTest]:
        return subjects.cursor()


class TestDayCaps(GatewayConformance):
    def subject(self) -> AbstractAsyncContextManager[GatewayUnderTest]:
        return subjects.day_caps()


class TestArchive(GatewayConformance):
    def subject(self) -> AbstractAsyncContextManager[GatewayUnderTest]:
        return subjects.archive()


class TestZonedDays(GatewayConformance):
    def subject(self) -> AbstractAsyncContextManager[GatewayUnderTest]:
        return subjects.zoned_days()


class TestNewest(GatewayConformance):
    def subject(self) -> AbstractAsyncContextManager[GatewayUnderTest]:
        return subjects.newest()


class TestBinance(GatewayConformance):
    def subject(self) -> AbstractAsyncContextManager[GatewayUnderTest]:
        return subjects.binance()


class TakesAShortPageForTheEnd(CursorGateway):
    def is_last(self, bars: Mapping[Instrument, RawCandles], token: str | None) -> bool:
        return sum(map(len, bars.values())) < self.spec.most_rows


class LosesTheEdgeSymbol(CursorGateway):
    def ends_ms(self, query: Query, bars: Mapping[Instrument, RawCandles], is_last: bool) -> dict[Instrument, int]:
        return dict.fromkeys(super().ends_ms(query, bars, is_last), query.span.end_ms)


class DoublesAnInclusiveEnd(DayCapGateway):
    def last_moment(self, query: Query) -> datetime:
        return query.span.end


class SpeaksFromItsOldestRowOnly(DayCapGateway):
    async def answers(self, query: Query, wire: Wire) -> AsyncGenerator[Answer]:
        async for answer in super().answers(query, wire):
            (part,) = answer.parts
            first_ms = int(part.rows.open_time_ms.min(initial=query.span.end_ms))
            answered = part.answered.within(TimeSpan(first_ms, query.span.end_ms)) if len(part.rows) else part.answered
            yield replace(answer, parts=(replace(part, answered=answered),))


class AnswersBeforeTheChecksumHolds(ArchiveGateway):
    async def answers(self, query: Query, wire: Wire) -> AsyncGenerator[Answer]:
        if query.route != ARCHIVE:
            async for answer in super().answers(query, wire):
                yield answer
            return
        (instrument,) = query.instruments
        zipped = await self.file(wire, file_of(query), query)
        part = Part(instrument, inside(unzipped(zipped.body), query.span), SpanSet([query.span]))
        yield Answer((part,), zipped.asked_at_ms, source="archive")
        checksum = await self.file(wire, file_of(query) + CHECKSUM, query)
        if not self.holds(zipped.body, checksum.body):
            raise MalformedResponse(self.name, query.symbols, "its checksum does not hold")


class CallsWhatIsOutOfReachEmpty(NewestGateway):
    def reach_ms(self, query: Query, rows: RawCandles) -> int:
        return query.span.start_ms


class TakesZonedDaysForThoseOfUtc(ZonedDaysGateway):
    def opens_ms(self, day: date) -> int:
        return to_milliseconds(datetime.fromisoformat(f"{day}T00:00:00Z"))


async def failures(subject: Subjects) -> list[str]:
    """What the suite says of a gateway."""
    found = []
    for check in CHECKS:
        async with subject() as under_test:
            try:
                await check(under_test)
            except AssertionError as error:
                found.append(str(error))
    return found


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (partial(subjects.cursor, TakesAShortPageForTheEnd), "a short response is not the end"),
        (partial(subjects.cursor, LosesTheEdgeSymbol), "cut inside a symbol"),
        (partial(subjects.day_caps, DoublesAnInclusiveEnd), "where a broker includes the end"),
        (partial(subjects.day_caps, SpeaksFromItsOldestRowOnly), "had to be asked for again"),
        (partial(subjects.archive, AnswersBeforeTheChecksumHolds), "answered before its checksum matched"),
        (partial(subjects.newest, CallsWhatIsOutOfReachEmpty), "out of the broker's reach"),
        (partial(subjects.zoned_days, TakesZonedDaysForThoseOfUtc), "the broker has none"),
    ],
    ids=lambda value: value.args[0].__name__ if isinstance(value, partial) else "",
)
async def test_a_gateway_that_mishandles_its_manner_is_caught(wrong: Subjects, sentence: str) -> None:
    found = await failures(wrong)
    assert any(sentence in failure for failure in found), found


async def test_the_second_word_on_a_file_is_that_of_the_api() -> None:
    async with subjects.archive() as subject:
        found = await collect(subject, SHAPES["all"](subject))
        files = [query for query in found.queries if query.route == ARCHIVE]
        assert {query.instruments[0].key for query in files} == set(subject.symbols)
        for query in files:
            again = subject.gateway.another_way(query, {query.instruments[0]: SpanSet([query.span])})
            assert {other.route for other in again} == {REST}


def test_every_check_is_a_test_of_the_class() -> None:
    tests = {name for name in dir(GatewayConformance) if name.startswith("test_")}
    assert tests == {f"test_{check.__name__}" for check in CHECKS}
