"""The ports: what the running system needs from outside, and nothing about how it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from domain.batches import BatchReport, BatchWork
from domain.candle_history import SaveResult as SaveResult
from domain.candle_ports import CandleRepository as CandleRepository
from domain.candle_ports import CollectingClaim as CollectingClaim
from domain.candle_ports import DamagedSegment as DamagedSegment
from domain.candles import Dataset, Interval, RawCandles
from domain.grants import Priority
from domain.history import HistoryEntry
from domain.jobs import CollectionJob
from domain.permits import LentPermit
from domain.plans import CollectionPlan
from domain.progress import Progress
from domain.rates import AccountLimits
from domain.requests import CollectionRequest
from domain.timespan import TimeSpan
from domain.usage import BrokerUsage


class Permit(Protocol):
    """The right to put one request on the wire, once, now."""

    @property
    def tokens(self) -> int: ...

    @property
    def travel_seconds(self) -> float:
        """How long it took to ask for it and to get it, beyond what the limits made it wait."""

    def sent(self) -> None:
        """Say that the first byte is about to be written.

        Raises PermitExpired when the permit was held too long: write nothing and take another one.
        """

    def answered(self, usage: Sequence[BrokerUsage] = ()) -> None:
        """Say that the response headers are in: the request has arrived and is over.

        `usage` is what they tell of the broker's own counts; it can only slow the account down.
        """


class PermitSource(Protocol):
    """Where a gateway takes its permits: one for each request on the wire, retries included."""

    def acquire(self, tokens: int = 1, pool: str = "") -> AbstractAsyncContextManager[Permit]:
        """Wait for a permit of the broker's budget `pool`.

        Leaving the context gives it back: unused if never `sent`, and as a stray (counted longer, it
        may still arrive) if sent but never `answered`.

        Raises PermitImpossible when a window is smaller than `tokens`, LimiterUnavailable when the
        limiter is shut down.
        """

    async def seal(self, retry_after_seconds: float | None, reason: str) -> None:
        """Say that the broker refused (429, 418): nobody on the account sends until the time is over.

        Without a time the limiter chooses: one window, doubling with each refusal in a row.
        """


class IRateLimiter(PermitSource, Protocol):
    """The limiter of one broker account, as a worker sees it."""

    def bound_to(self, job_id: str, priority: Priority = Priority.BULK) -> PermitSource:
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
    """A broker's candle API. Opens its session lazily, inside the actor that uses it.

    Each request on the wire costs `tokens_per_request` of the broker's budget `pool` ("" where it has but one).
    """

    name: str
    max_candles_per_page: int
    tokens_per_request: int
    pool: str

    def dataset(self, symbol: str, interval: Interval) -> Dataset:
        """The dataset of a symbol, with the broker's grid; SettingsError for an interval it lacks."""

    async def fetch_page(self, request: PageRequest, permits: PermitSource) -> CandlePage:
        """Fetch one page, taking one permit per request on the wire; never retries by itself.

        Raises a BrokerError; on BrokerThrottled the account has been sealed already.
        """

    async def close(self) -> None:
        """Close the session; fetching again opens another."""


class TradingCalendar(Protocol):
    """When a market is open. A plain value: it reads nothing and travels to whoever needs it."""

    @property
    def name(self) -> str: ...

    def expected(self, dataset: Dataset, span: TimeSpan) -> list[TimeSpan]:
        """The runs of bars in which candles are expected: sorted, disjoint, inside the span, on its grid.

        Raises ValueError for a span of which the calendar has not been told.
        """


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
    findings: Mapping[str, int] = field(default_factory=dict)
    """Bars by what was noticed of them: see `domain.findings`."""


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
class RecordedPermits:
    """What a permit record knows: every permit that was over, or could arrive, after `complete_since`.

    Moments are seconds on this machine's monotonic clock. `agreed` is what the runs of this session
    agreed on, None when there was nothing to agree.
    """

    permits: tuple[LentPermit, ...]
    sealed_until: float
    complete_since: float
    agreed: AccountLimits | None
    note: str


class PermitRecord(Protocol):
    """The memory of one account's permits that outlives processes. Quick to write, not slower than a permit.

    Whatever writes raises StorageUnavailable when it cannot: what was not noted must not be granted.
    """

    def open(self) -> RecordedPermits:
        """Take the account for this process and tell what is known of it.

        Raises LimiterUnavailable, naming the holder, when another process has it, or when nothing can be noted.
        """

    def known(self) -> RecordedPermits:
        """What is known now."""

    def lent(self, permits: Sequence[LentPermit]) -> None:
        """Note permits that were granted together, all or none; they survive this process once this returns."""

    def over(self, permit: LentPermit) -> None:
        """Note that a permit's request is over."""

    def void(self, permit_id: str) -> None:
        """Note that a permit was never used."""

    def seal(self, until: float) -> None:
        """Note that nothing may be granted before that moment."""

    def agree(self, limits: AccountLimits) -> None:
        """Note the limits that hold from now on in this session."""

    def close(self) -> None:
        """Let go of the account."""


class JobStore(Protocol):
    """Where jobs live as events. Blocking: call it in a thread, always the same one.

    Every method raises EventStoreUnavailable when the store cannot be read or written.
    """

    def submit(self, request: CollectionRequest, timestamp: datetime, anew: bool = False) -> str:
        """Store a new PENDING job and its plan, both or neither; the id of a job that exists is only returned.

        A cancelled job is left as it is: its successor gets an id of its own. So does, with `anew`, that of
        any job that has ended.
        """

    def job(self, job_id: str) -> CollectionJob:
        """A fresh copy of the job as it is stored. Raises JobNotFound."""

    def plan(self, job_id: str) -> CollectionPlan:
        """What the job collects. Raises JobNotFound."""

    def save(self, job: CollectionJob) -> None:
        """Store what the job's commands did; durable when it returns.

        After any exception throw the object away and reload: what it holds may be stored, or not. When
        another process changed the job meanwhile nothing is stored: StaleEpoch if that began a later
        epoch, else EventStoreUnavailable.
        """

    def latest(self, request_key: str) -> str | None:
        """The id of the newest job with that request key; None if there is none."""

    def job_ids(self) -> list[str]:
        """The ids of all jobs in the order they were submitted."""

    def find(self, prefix: str) -> str:
        """The one job whose id begins so. Raises JobNotFound, or SettingsError naming the candidates."""

    def history(self, job_id: str, until: datetime | None = None) -> list[HistoryEntry]:
        """What happened to the job, oldest first, up to and including `until`. Raises JobNotFound."""

    def as_at(self, job_id: str, moment: datetime) -> CollectionJob:
        """The job as it was at that moment, to look at, not to save. Raises JobNotFound if it was not yet."""

    def close(self) -> None:
        """Let go of the store; using it again opens it again."""
