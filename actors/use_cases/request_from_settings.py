"""Makes a job's request from settings."""

from __future__ import annotations

from datetime import datetime

from actors.settings.model import Settings
from domain.brokers.gateway import Gateway
from domain.errors import SettingsError
from domain.jobs.request import CollectionRequest
from domain.spans.time_span import TimeSpan, to_milliseconds

LEAST_BATCH = 10
"""Symbols handed to a worker at a time; more where one query of the broker names more."""


def request_from(settings: Settings, gateway: Gateway, now: datetime) -> CollectionRequest:
    """The request of the settings at that time: it never includes a bar that has not closed yet.

    Raises SettingsError for an interval that the broker lacks, and where not one bar has closed.
    """
    broker, job = settings.require_broker(), settings.require_job()
    dataset = gateway.dataset(job.symbols[0], job.interval)
    closed_ms = dataset.closed_by(int(now.timestamp() * 1000))
    end_ms = closed_ms if job.end is None else min(to_milliseconds(job.end), closed_ms)
    span = dataset.align(TimeSpan(to_milliseconds(job.start), max(end_ms, to_milliseconds(job.start))))
    if not span:
        raise SettingsError(
            f"{settings.source}: job.start: no {job.interval} bar that opens from then on has closed yet"
        )
    return CollectionRequest(
        broker=broker.gateway,
        account=broker.account,
        symbols=job.symbols,
        interval=job.interval,
        span=span,
        open_ended=job.end is None,
        batch_size=job.batch_size or max(LEAST_BATCH, gateway.spec.most_instruments),
        workers=job.workers,
        concurrency=job.concurrency,
        max_failures=job.max_failures,
        on_too_many_failures=job.on_too_many_failures,
        priority=job.priority,
        calendar=job.calendar,
        settle_seconds=job.settle_seconds,
        variant=dataset.variant,
    )
