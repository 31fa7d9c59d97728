"""Makes a job's request from settings."""

from __future__ import annotations

from datetime import datetime

from actors.settings.model import Settings
from domain.brokers.gateway import Gateway
from domain.errors import SettingsError
from domain.jobs.request import DEFAULT_OPTIONS, CollectionRequest
from domain.spans.time_span import TimeSpan, to_milliseconds


def request_from(settings: Settings, gateway: Gateway, now: datetime) -> CollectionRequest:
    """The request of the settings at that time: it never includes a bar that has not closed yet.

    Raises SettingsError for an interval that the broker lacks, and where not one bar has closed.
    """
    broker, job = settings.require_broker(), settings.require_job()
    dataset = gateway.dataset(job.symbols[0], job.interval)
    closed_ms = dataset.closed_by(int(now.timestamp() * 1000))
    end_ms = closed_ms if job.end is None else min(to_milliseconds(job.end), closed_ms)
    try:
        span = dataset.align(TimeSpan(to_milliseconds(job.start), max(end_ms, to_milliseconds(job.start))))
    except ValueError as error:
        raise SettingsError(f"{settings.source}: job.start: {error}") from error
    if not span:
        raise SettingsError(
            f"{settings.source}: job.start: no {job.interval} bar that opens from then on has closed yet"
        )
    batch_size = max(DEFAULT_OPTIONS.batch_size, gateway.spec.most_instruments)
    return CollectionRequest(
        broker=broker.gateway,
        account=broker.account,
        symbols=job.symbols,
        interval=job.interval,
        span=span,
        open_ended=job.end is None,
        variant=dataset.variant,
        **{"batch_size": batch_size, **job.options},
    )
