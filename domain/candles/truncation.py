"""TruncationCheck: an answer without expected bars is believed only when a second answer agrees."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Awaitable, Callable

import numpy as np
from numpy.typing import NDArray

from domain.candles.coverage import Coverage
from domain.candles.dataset import Dataset
from domain.candles.findings import ABSENT, UNEXPECTED, added
from domain.candles.ports import TradingCalendar
from domain.candles.sessions import DAY_MS
from domain.candles.validation import ValidatedCandles
from domain.errors import MalformedResponse
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan

LONGEST_CLOSURE_MS = 15 * DAY_MS
"""How far from a page its neighbouring session is searched."""

NEVER_MS = -(2**62)

Fetch = Callable[[TimeSpan], Awaitable[ValidatedCandles]]
Openings = NDArray[np.int64]


class TruncationCheck:
    """Checks one symbol's answers, in order, for bars that were left out without notice.

    Requested once more are: the stretch from the first to the last expected bar that a partly filled page lacks; an
    empty page beside one with bars; and the last page of a symbol without any bar. Other empty pages are believed at
    once: before its listing a symbol may have years of them. A page that the calendar explains costs no second request.
    A page is the span of one query; `reach_ms` is the length of the longest one: bars no further from an empty page
    than that make it doubtful.
    """

    def __init__(
        self,
        calendar: TradingCalendar,
        dataset: Dataset,
        known: Coverage,
        to_ask: SpanSet,
        reach_ms: int,
        fetch: Fetch,
    ) -> None:
        self._calendar = calendar
        self._dataset = dataset
        self._span = known.span
        self._last_page_ends_ms = to_ask[-1].end_ms if to_ask else known.span.end_ms
        self._reach_ms = reach_ms
        self._fetch = fetch
        self._stored = SpanSet()
        self._denied_before = SpanSet()
        self._has_bars = False
        self._latest_end_ms = NEVER_MS
        self._agreed_until_ms = NEVER_MS
        self.know(known)

    def surroundings(self, page: TimeSpan) -> TimeSpan:
        """The page and its relevant neighbours, whose coverage has to be known."""
        reach_ms = LONGEST_CLOSURE_MS + self._reach_ms
        return self._span.intersect(TimeSpan(page.start_ms - reach_ms, page.end_ms + reach_ms))

    def know(self, coverage: Coverage) -> None:
        """Note what is stored around the current page, by this collector or by another."""
        self._stored = coverage.stored | coverage.provisional
        self._denied_before = coverage.denied
        self._has_bars = self._has_bars or bool(self._stored)

    async def verified(
        self, answer: ValidatedCandles, doubtful: TimeSpan | None, again: ValidatedCandles | None = None
    ) -> list[ValidatedCandles]:
        """What to save, in order: the answer, after earlier ones that it shows to have been wrong.

        `doubtful` is what the method of that name gave, and `again` the second answer about it, if there is one.
        Raises MalformedResponse where the broker contradicts itself, and whatever a fetch raises.
        """
        if answer.is_mostly_bad or not answer.answered:
            return [answer]
        # Check the answer first: earlier ones are corrected only once nothing can refuse it any more.
        if doubtful:
            self._require_agreement(answer, doubtful, again or await self._fetch(doubtful))
        earlier = await self._answers_before(answer)
        if doubtful:
            self._agreed_until_ms = doubtful.end_ms
        if len(answer.openings):
            self._has_bars = True
            self._latest_end_ms = max(self._latest_end_ms, self._dataset.later(int(answer.openings[-1]), 1))
        return [*earlier, answer]

    def findings(self, answer: ValidatedCandles) -> dict[str, int]:
        """The findings of an answer: why bars were refused, and what the calendar does not explain."""
        expected = self._expected(answer.answered)
        if np.array_equal(expected, answer.candles.open_time_ms):
            return dict(answer.reasons)
        is_unexpected = ~np.isin(answer.candles.open_time_ms, expected)
        of_the_calendar = {ABSENT: len(self._left_out(answer)), UNEXPECTED: int(np.count_nonzero(is_unexpected))}
        return added(answer.reasons, of_the_calendar)

    def doubtful(self, answer: ValidatedCandles) -> TimeSpan | None:
        """The stretch to request once more; None when the calendar explains the answer, or most of it is bad."""
        if answer.is_mostly_bad or not answer.answered:
            return None
        left_out = self._left_out(answer)
        if not len(left_out):
            return None
        # Bars that were denied before have their second answer now.
        left_out = np.setdiff1d(left_out, self._dataset.openings(self._denied(answer.answered)), assume_unique=True)
        if not len(left_out):
            return None
        if not len(answer.openings) and not self._stands_out(answer.answered):
            return None
        return TimeSpan(int(left_out[0]), self._dataset.later(int(left_out[-1]), 1))

    def _stands_out(self, empty: TimeSpan) -> bool:
        """Whether an empty answer is next to bars, or the last answer about a symbol without any."""
        if not self._has_bars:
            return empty.end_ms >= self._last_page_ends_ms
        before, after = self._expected_until(empty.start_ms), self._expected_from(empty.end_ms)
        has_bars_before = self._bars_until(empty.start_ms) > before - self._reach_ms
        return has_bars_before or self._first_bar_from(empty.end_ms) < after + self._reach_ms

    async def _answers_before(self, answer: ValidatedCandles) -> list[ValidatedCandles]:
        """Request the empty stretch right before this answer once more, for this answer has bars."""
        end_ms, known_ms = self._expected_until(answer.answered.start_ms), self._bars_until(answer.answered.start_ms)
        is_explained = end_ms <= max(known_ms, self._agreed_until_ms)
        if not len(answer.openings) or end_ms <= self._span.start_ms or is_explained:
            return []
        start_ms = max(self._span.start_ms, end_ms - self._reach_ms, known_ms)
        doubtful = self._dataset.align(TimeSpan(start_ms, end_ms))
        if not len(self._expected(doubtful)):
            return []
        again = await self._fetch(doubtful)
        if len(again.openings):
            return await self.verified(again, self.doubtful(again))
        self._agreed_until_ms = end_ms
        return []

    def _require_agreement(self, answer: ValidatedCandles, doubtful: TimeSpan, again: ValidatedCandles) -> None:
        first = answer.openings[(answer.openings >= doubtful.start_ms) & (answer.openings < doubtful.end_ms)]
        appeared, vanished = np.setdiff1d(again.openings, first), np.setdiff1d(first, again.openings)
        if not len(appeared) and not len(vanished):
            return
        expected = len(self._expected(answer.answered))
        contradiction = (
            f"{len(appeared)} came that had been left out" if len(appeared) else f"{len(vanished)} were missing"
        )
        raise MalformedResponse(
            self._dataset.broker,
            self._dataset.symbol,
            f"truncated: of {expected} bars expected in {answer.answered} {len(answer.openings)} came, "
            f"and requested again for {doubtful}, {contradiction}",
        )

    def _left_out(self, answer: ValidatedCandles) -> Openings:
        expected = self._expected(answer.answered)
        if np.array_equal(expected, answer.openings):
            return expected[:0]
        return np.setdiff1d(expected, answer.openings, assume_unique=True)

    def _denied(self, span: TimeSpan) -> SpanSet:
        return self._denied_before.within(span)

    def _expected(self, span: TimeSpan) -> Openings:
        return self._dataset.openings(self._calendar.expected(self._dataset, span))

    def _expected_until(self, moment_ms: int) -> int:
        """The end of the last expected bar before the moment; the moment itself where none is near."""
        start_ms = max(self._span.start_ms, moment_ms - LONGEST_CLOSURE_MS)
        runs = self._calendar.expected(self._dataset, TimeSpan(min(start_ms, moment_ms), moment_ms))
        return runs[-1].end_ms if runs else moment_ms

    def _expected_from(self, moment_ms: int) -> int:
        """The first opening of an expected bar from the moment on; the moment itself where none is near."""
        end_ms = min(self._span.end_ms, moment_ms + LONGEST_CLOSURE_MS)
        runs = self._calendar.expected(self._dataset, TimeSpan(moment_ms, max(moment_ms, end_ms)))
        return runs[0].start_ms if runs else moment_ms

    def _bars_until(self, moment_ms: int) -> int:
        """The end of the last bar before the moment that is stored, or was answered."""
        position = bisect_left(self._stored, moment_ms, key=lambda run: run.start_ms)
        stored_ms = min(self._stored[position - 1].end_ms, moment_ms) if position else NEVER_MS
        return max(stored_ms, self._latest_end_ms if self._latest_end_ms <= moment_ms else NEVER_MS)

    def _first_bar_from(self, moment_ms: int) -> int:
        position = bisect_left(self._stored, moment_ms + 1, key=lambda run: run.end_ms)
        return max(self._stored[position].start_ms, moment_ms) if position < len(self._stored) else -NEVER_MS
