"""Jobs in a store, for the tests of stores."""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.jobs.batches import BatchReport, SymbolFailure
from domain.jobs.job import CollectionJob
from domain.jobs.ports import JobStore
from domain.jobs.request import CollectionRequest
from tests.job_examples import NOW, REQUEST


def later(minutes: int) -> datetime:
    return NOW + timedelta(minutes=minutes)


def submitted(store: JobStore, request: CollectionRequest = REQUEST) -> CollectionJob:
    return store.job(store.submit(request, NOW))


def started(store: JobStore) -> CollectionJob:
    job = submitted(store)
    job.start("collect", timestamp=later(1))
    store.save(job)
    return job


def batch_report(job: CollectionJob, batch: int = 0) -> BatchReport:
    failure = SymbolFailure("AAA", "SymbolRejected", "unknown symbol", 1)
    return BatchReport(batch, job.epoch, True, ("BBB",), (failure,), candles_saved=10, requests=2)
