"""SymbolWork: one symbol of a group, its tries and its outcome."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from domain.brokers.queries import Instrument
from domain.candles.coverage import Coverage
from domain.candles.dataset import Dataset
from domain.candles.ports import TradingCalendar
from domain.candles.truncation import TruncationCheck
from domain.candles.validation import ValidatedCandles
from domain.errors import BrokerError, CollectorError, MalformedResponse, SymbolRejected
from domain.jobs.batches import SymbolFailure
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan


class SymbolWork:
    """The check of a symbol's answers, its tries at the current query, and the error that ended it, if any."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.attempts = 1
        self.error: CollectorError | None = None
        self._check: TruncationCheck | None = None

    @property
    def dataset(self) -> Dataset:
        return self.instrument.dataset

    @property
    def check(self) -> TruncationCheck:
        """The check of its answers; call `expect` first."""
        assert self._check is not None, "what a symbol's answers are checked against is known before any is requested"
        return self._check

    def expect(
        self,
        calendar: TradingCalendar,
        known: Coverage,
        to_ask: SpanSet,
        reach_ms: int,
        fetch: Callable[[TimeSpan], Awaitable[ValidatedCandles]],
    ) -> None:
        """Prepare the check of its answers from what is stored and what is expected."""
        self._check = TruncationCheck(calendar, self.dataset, known, to_ask, reach_ms, fetch)

    def fail(self, error: CollectorError) -> None:
        """Give the symbol up; the first error stands."""
        self.error = self.error or error

    def malformed(self, message: str) -> MalformedResponse:
        """The error for an answer that cannot be used."""
        return MalformedResponse(self.dataset.broker, self.dataset.symbol, message)

    def rejected(self, message: str) -> SymbolRejected:
        """The error for a symbol that the broker does not serve."""
        return SymbolRejected(self.dataset.broker, self.dataset.symbol, message)

    def failure(self) -> SymbolFailure:
        """What is recorded of a symbol that has failed."""
        error = self.error
        message = error.message if isinstance(error, BrokerError) else str(error)
        return SymbolFailure(self.dataset.symbol, type(error).__name__, message, self.attempts)
