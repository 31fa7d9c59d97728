"""GatewayConformance: the checks as a class of tests, for pytest to run."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager

from adapters.in_memory.conformance import checks, wire_checks
from adapters.in_memory.conformance.subject import GatewayUnderTest


class GatewayConformance:
    """Subclass it as `TestMyGateway`, return what is to be tested from `subject`, and run pytest; no plugin is needed.

    `subject` is opened for each test. A failed test ends with a sentence that names the mistake.
    """

    def subject(self) -> AbstractAsyncContextManager[GatewayUnderTest]:
        """The gateway under test, with a broker to query; open during one test."""
        raise NotImplementedError

    def test_every_bar_comes_exactly_once(self) -> None:
        self._run(checks.every_bar_comes_exactly_once)

    def test_as_many_requests_are_made_as_planned(self) -> None:
        self._run(checks.as_many_requests_are_made_as_planned)

    def test_queries_are_sound_and_the_same_each_time(self) -> None:
        self._run(checks.queries_are_sound_and_the_same_each_time)

    def test_more_bars_than_expected_are_not_lost(self) -> None:
        self._run(checks.more_bars_than_expected_are_not_lost)

    def test_another_way_brings_the_same_bars(self) -> None:
        self._run(checks.another_way_brings_the_same_bars)

    def test_bars_that_have_closed_are_known_as_closed(self) -> None:
        self._run(checks.bars_that_have_closed_are_known_as_closed)

    def test_nothing_damaged_is_answered(self) -> None:
        self._run(checks.nothing_damaged_is_answered)

    def test_an_interval_that_there_is_not_is_refused_with_those_there_are(self) -> None:
        self._run(checks.an_interval_that_there_is_not_is_refused_with_those_there_are)

    def test_no_request_leaves_without_a_permit(self) -> None:
        self._run(wire_checks.no_request_leaves_without_a_permit)

    def test_each_trouble_is_told_as_what_it_is(self) -> None:
        self._run(wire_checks.each_trouble_is_told_as_what_it_is)

    def test_a_request_that_is_cancelled_leaves_its_permit_abandoned(self) -> None:
        self._run(wire_checks.a_request_that_is_cancelled_leaves_its_permit_abandoned)

    def test_closed_connections_open_again(self) -> None:
        self._run(wire_checks.closed_connections_open_again)

    def _run(self, check: checks.Check) -> None:
        asyncio.run(self._checked(check))

    async def _checked(self, check: checks.Check) -> None:
        async with self.subject() as subject:
            await check(subject)
