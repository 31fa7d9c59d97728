"""JobPlanner: what collecting would ask of the broker, told without asking anybody anything."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from actors.use_cases.catalog import JobCatalog
from domain.brokers.gateway import BrokerGateway
from domain.candles.coverage import Coverage
from domain.candles.dataset import Dataset
from domain.candles.ports import CandleRepository
from domain.jobs.forecast import CollectionForecast, StoredSymbols, forecast
from domain.jobs.progress import Progress
from domain.jobs.request import CollectionRequest
from domain.jobs.simulation import Slots
from domain.limits.rates import AccountLimits

MOST_MEASURED = 32
"""Datasets whose size on disk is looked at, to tell what a bar takes."""


@dataclass(frozen=True, slots=True)
class JobPlan:
    """What a request would take now. `job` is the one that `collect` would go on with; None for a new one."""

    request: CollectionRequest
    forecast: CollectionForecast
    job: Progress | None

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON types."""
        span = self.request.span
        return {
            "job": {"id": self.job.job_id, "status": str(self.job.status)} if self.job else None,
            "interval": str(self.request.interval),
            "start": span.start.isoformat(),
            "end": span.end.isoformat(),
            **self.forecast.as_json(),
        }


@dataclass(frozen=True, slots=True)
class JobPlanner:
    """Reads what is stored and what earlier jobs recorded; makes no request and takes no permit.

    `bytes_per_bar` measures datasets on disk; None for those without a bar.
    """

    catalog: JobCatalog
    candles: CandleRepository
    gateway: BrokerGateway
    account: AccountLimits
    bytes_per_bar: Callable[[Sequence[Dataset]], float | None]
    clock: Callable[[], float] = time.time

    def plan(self, request: CollectionRequest) -> JobPlan:
        """What `collect` would have to do for this request. Raises CorruptSegment, PermitImpossible."""
        job = self.catalog.current(request)
        if job is not None:
            request = self.catalog.request(job.job_id)
        datasets = [self.gateway.dataset(symbol, request.interval) for symbol in request.symbols]
        coverages = [self.candles.coverage(dataset, request.span) for dataset in datasets]
        settled_before_ms = datasets[0].floor_ms(int(self.clock() * 1000) - request.settle_seconds * 1000)
        held = StoredSymbols.from_coverages(
            coverages, settled_before_ms, request.interval.duration_ms, self.gateway.max_candles_per_page
        )
        foreseen = forecast(
            held,
            Slots(request.workers, request.concurrency, request.batch_size),
            [limit for limit in self.account.limits if limit.cost(1, self.gateway.pool)],
            self.gateway.tokens_per_request,
            self.catalog.timings(request.broker, request.account),
            self._bytes_per_bar(datasets, coverages),
            self.account.uplink_seconds,
        )
        return JobPlan(request, foreseen, job)

    def _bytes_per_bar(self, datasets: Sequence[Dataset], coverages: Sequence[Coverage]) -> float | None:
        """As measured on the job's own symbols, or else on others of the same interval."""
        own = (dataset for dataset, coverage in zip(datasets, coverages, strict=True) if coverage.stored)
        measured = self.bytes_per_bar(list(islice(own, MOST_MEASURED)))
        if measured is None:
            kind = (datasets[0].broker, datasets[0].interval)
            others = (one for one in self.candles.datasets() if (one.broker, one.interval) == kind)
            measured = self.bytes_per_bar(list(islice(others, MOST_MEASURED)))
        return measured
