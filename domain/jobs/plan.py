"""CollectionPlan: what a job collects, frozen; and the identities that follow from a request."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from uuid import UUID, uuid5

from eventsourcing.domain import Aggregate, event

from domain.candles.dataset import Interval
from domain.candles.sessions import ALWAYS_OPEN
from domain.jobs.request import CollectionRequest, FailureAllowance, OnTooManyFailures
from domain.limits.messages import Priority
from domain.spans.time_span import TimeSpan

_NAMESPACE = UUID("6f1c3a52-94a7-5d1e-8c0b-2e7a4d9b1f60")


def job_id_of(request: CollectionRequest, run: int = 1) -> str:
    """The id of the job for this request: the same whenever the same candles are requested.

    The order of the symbols and the number of workers make no difference. `run` counts the jobs of one request: the ids
    of later ones end in "-2", "-3".
    """
    job_id = f"{request.broker}-{request.interval}-{_fingerprint(request, request.span.end_ms)[:8]}"
    return job_id if run == 1 else f"{job_id}-{run}"


def request_key_of(request: CollectionRequest) -> str:
    """The key that all submissions of a request share, even if its end is open and has moved on."""
    return _fingerprint(request, None if request.open_ended else request.span.end_ms)


def job_uuid(job_id: str) -> UUID:
    """The identity of the job's own events."""
    return uuid5(_NAMESPACE, f"job:{job_id}")


def plan_uuid(job_id: str) -> UUID:
    """The identity of the job's plan."""
    return uuid5(_NAMESPACE, f"plan:{job_id}")


def require_zone(timestamp: datetime) -> None:
    """Raise ValueError for a timestamp without a time zone."""
    if timestamp.tzinfo is None:
        raise ValueError(f"{timestamp.isoformat()} has no time zone: an event needs one")


class CollectionPlan(Aggregate):
    """The whole request of a job, as plain values: written once, with the job, and never changed."""

    TOPIC = "CollectionPlan"

    @event("Created", topic="CollectionPlan.Created")
    def __init__(
        self,
        job_id: str,
        broker: str,
        account: str,
        symbols: list[str],
        interval: str,
        start_ms: int,
        end_ms: int,
        open_ended: bool,
        batch_size: int,
        workers: int,
        concurrency: int,
        max_failures_count: int | None,
        max_failures_share: float | None,
        on_too_many_failures: str,
        timestamp: datetime,
        priority: str = Priority.BULK.value,
        calendar: str = ALWAYS_OPEN,
        settle_seconds: int = 0,
        recheck_gaps: bool = False,
        variant: str = "",
    ) -> None:
        # Arguments with a default are missing in the oldest stored plans.
        self.job_id = job_id
        self.request = CollectionRequest(
            broker=broker,
            account=account,
            symbols=tuple(symbols),
            interval=Interval(interval),
            span=TimeSpan(start_ms, end_ms),
            open_ended=open_ended,
            batch_size=batch_size,
            workers=workers,
            concurrency=concurrency,
            max_failures=FailureAllowance(max_failures_count, max_failures_share),
            on_too_many_failures=OnTooManyFailures(on_too_many_failures),
            priority=Priority(priority),
            calendar=calendar,
            settle_seconds=settle_seconds,
            recheck_gaps=recheck_gaps,
            variant=variant,
        )

    @staticmethod
    def create_id(job_id: str) -> UUID:
        """The aggregate's identity, which follows from the job's."""
        return plan_uuid(job_id)

    @classmethod
    def from_request(cls, request: CollectionRequest, run: int = 1, *, timestamp: datetime) -> CollectionPlan:
        """The plan of the job that this request makes."""
        require_zone(timestamp)
        return cls(
            job_id=job_id_of(request, run),
            broker=request.broker,
            account=request.account,
            symbols=list(request.symbols),
            interval=request.interval.name,
            start_ms=request.span.start_ms,
            end_ms=request.span.end_ms,
            open_ended=request.open_ended,
            batch_size=request.batch_size,
            workers=request.workers,
            concurrency=request.concurrency,
            max_failures_count=request.max_failures.count,
            max_failures_share=request.max_failures.share,
            on_too_many_failures=request.on_too_many_failures.value,
            priority=request.priority.value,
            calendar=request.calendar,
            settle_seconds=request.settle_seconds,
            recheck_gaps=request.recheck_gaps,
            variant=request.variant,
            timestamp=timestamp,
        )

    @property
    def symbols(self) -> tuple[str, ...]:
        return self.request.symbols


def _fingerprint(request: CollectionRequest, end_ms: int | None) -> str:
    asked: list[object] = [request.broker, request.account, sorted(request.symbols), request.interval.name]
    if request.variant:
        # Left out where there is none: jobs from before there were variants keep their ids.
        asked.append(request.variant)
    canonical = json.dumps([*asked, request.span.start_ms, end_ms], separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
