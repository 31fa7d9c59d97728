"""The ports: what the running system needs from outside, and nothing about how it is done."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from domain.batches import BatchReport, BatchWork
from domain.candles import Candles, Dataset, Interval, RawCandles
from domain.coverage import Coverage
from domain.progress import Progress
from domain.requests import CollectionRequest
from domain.timespan import TimeSpan
from domain.validation import QuarantinedCandle


class Permit(Protocol):
    """The right to put one request on the wire, once, now."""

    @property
    def tokens(self) -> int: ...

    def sent(self) -> None:
        """Say that the first byte is about to be written.

        Raises PermitExpired when the permit was held too long: write nothing and take another one.
        """

    def answered(self) -> None:
        """Say that the response headers are in: the request has arrived and is over."""


class PermitSource(Protocol):
    """Where a gateway takes its permits: one for each request on the wire, retries included."""

    def acquire(self, tokens: int = 1) -> AbstractAsyncContextManager[Permit]:
        """Wait for a permit. Leaving the context gives it back: unused if never `sent`, and as a
        stray (counted longer, it may still arrive) if sent but never `answered`.

        Raises PermitImpossible when a window is smaller than `tokens`, LimiterUnavailable when the
        limiter is shut down.
        """

    async def seal(self, retry_after_seconds: float | None, reason: str) -> None:
        """Say that the broker refused (429, 418): nobody on the account sends until the time is over.

        Without a time the limiter chooses: one window, doubling with each refusal in a row.
        """


class IRateLimiter(PermitSource, Protocol):
    """The limiter of one broker account, as a worker sees it."""

    def bound_to(self, job_id: str) -> PermitSource:
        """The same account's permits, taken in the name of that job."""

    async def close(self) -> None:
        """Give back what is still held."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """One page to fetch: a span on the dataset's grid, no longer than the gateway's page."""

    dataset: Dataset
    span: TimeSpan


@dataclass(frozen=True, slots=True)
class CandlePage:
    """What the broker answered to a page request, unchecked.

    `closed_before_ms`: by the broker's own clock, bars that end at or before this moment are final.
    `requests`: how many requests it took on the wire.
    """

    request: PageRequest
    candles: RawCandles
    closed_before_ms: int
    requests: int = 1


class BrokerGateway(Protocol):
    """A broker's candle API. Opens its session lazily, inside the actor that uses it."""

    name: str
    max_candles_per_page: int

    def dataset(self, symbol: str, interval: Interval) -> Dataset:
        """The dataset of a symbol, with the broker's grid; SettingsError for an interval it lacks."""

    async def fetch_page(self, request: PageRequest, permits: PermitSource) -> CandlePage:
        """Fetch one page, taking one permit per request on the wire; never retries by itself.

        Raises a BrokerError; on BrokerThrottled the account has been sealed already.
        """

    async def close(self) -> None:
        """Close the session; fetching again opens another."""


@dataclass(frozen=True, slots=True)
class SaveResult:
    """What a save changed."""

    added: int
    replaced: int


class CandleRepository(Protocol):
    """Candles and their coverage, durable together. Blocking: call it in a thread."""

    def coverage(self, dataset: Dataset, span: TimeSpan) -> Coverage:
        """What of the span is stored or confirmed empty. Raises CorruptSegment."""

    def save(self, dataset: Dataset, asked: TimeSpan, candles: Candles) -> SaveResult:
        """Add candles, all of them inside `asked`, and note that `asked` was answered in full.

        Durable and atomic when it returns; the newest wins; saving the same again writes nothing.
        """

    def quarantine(self, dataset: Dataset, bad: Sequence[QuarantinedCandle]) -> None:
        """Keep refused candles where a person can look at them; the same one is kept once."""

    def read(self, dataset: Dataset, span: TimeSpan) -> Candles:
        """The stored candles of the span. Raises CorruptSegment."""

    def datasets(self) -> list[Dataset]:
        """Every dataset with something stored, sorted."""


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """Progress as a worker tells it: what has come since its last event (add them up)."""

    worker: str
    batch: int
    epoch: int
    kind: Literal["page", "symbol", "batch"]
    pages: int = 0
    candles: int = 0
    quarantined: int = 0
    requests: int = 0
    symbols_done: int = 0
    symbols_failed: int = 0
    pages_skipped: int = 0
    """Planned pages that need no request: their candles are stored already, or their symbol failed."""


class EventEmitter(Protocol):
    """Where a worker tells its progress; never blocks and never fails the work."""

    def emit(self, event: ProgressEvent) -> None: ...


class JobRepository(Protocol):
    """A job as its workers see it: the coordinator in a cluster, memory in a unit test."""

    async def start(self, job_id: str, worker: str) -> CollectionRequest:
        """Join the job: what to collect, and how. Raises JobNotFound."""

    async def claim_batch(self, job_id: str, worker: str) -> BatchWork | None:
        """The next batch nobody has, with the epoch to report it under; None when none is left.

        Waits while every remaining batch is in another worker's hands: one may come back.
        """

    async def report_batch(self, job_id: str, worker: str, report: BatchReport) -> Progress:
        """Record what became of a batch, exactly once for each (batch, epoch).

        Raises StaleEpoch when the batch was given to another: drop the report and claim again.
        """

    async def finish(self, job_id: str, worker: str) -> None:
        """Leave the job: no more will come from this worker."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The openings a calendar expects in a span, and spans known to be closed."""

    closed: tuple[TimeSpan, ...] = field(default=())


class TradingCalendar(Protocol):
    """When a market is open."""

    def expected(self, dataset: Dataset, span: TimeSpan) -> Expected: ...
