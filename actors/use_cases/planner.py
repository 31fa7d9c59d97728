"""JobPlanner: forecasts what collecting would take, without any request."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from actors.use_cases.catalog import JobCatalog
from domain.brokers.gateway import Gateway
from domain.brokers.queries import Instrument, Wanted, grouped
from domain.brokers.wire import Charge
from domain.candles.coverage import Coverage
from domain.candles.dataset import Dataset
from domain.candles.ports import CandleRepository, TradingCalendar
from domain.jobs.forecast import CollectionForecast, StoredSymbols, forecast
from domain.jobs.progress import Progress
from domain.jobs.request import CollectionRequest
from domain.jobs.simulation import Slots
from domain.limits.rates import AccountLimits

MOST_MEASURED = 32
"""The most datasets whose size on disk is measured, to estimate the bytes per bar."""


@dataclass(frozen=True, slots=True)
class JobPlan:
    """What a request would take now. `job` is the one that `collect` would continue; None for a new one."""

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
    gateway: Gateway
    account: AccountLimits
    calendar: Callable[[CollectionRequest], TradingCalendar]
    bytes_per_bar: Callable[[Sequence[Dataset]], float | None]
    clock: Callable[[], float] = time.time

    def plan(self, request: CollectionRequest) -> JobPlan:
        """Forecast what `collect` would do for this request. Raises CorruptSegment, PermitImpossible."""
        job = self.catalog.current(request)
        if job is not None:
            request = self.catalog.request(job.job_id)
        datasets = [self.gateway.dataset(symbol, request.interval) for symbol in request.symbols]
        coverages = {dataset: self.candles.coverage(dataset, request.span) for dataset in datasets}
        most_instruments = self.gateway.spec.most_instruments
        stored, charges = self._stored(request, coverages)
        foreseen = forecast(
            stored,
            Slots(request.workers, request.concurrency, -(-request.batch_size // most_instruments)),
            [limit for limit in self.account.limits if any(limit.cost(1, charge.pool) for charge in charges)],
            max((charge.tokens for charge in charges), default=1),
            self.catalog.timings(request.broker, request.account),
            self._bytes_per_bar(datasets, list(coverages.values())),
            self.account.uplink_seconds,
        )
        return JobPlan(request, foreseen, job)

    def _stored(
        self, request: CollectionRequest, coverages: Mapping[Dataset, Coverage]
    ) -> tuple[StoredSymbols, set[Charge]]:
        """What is stored, and the charges of the requests for the rest, cut as a worker cuts them."""
        datasets, now_ms = list(coverages), int(self.clock() * 1000)
        expected = self.calendar(request).expected(datasets[0], datasets[0].align(request.span))
        settled_before_ms = datasets[0].closed_by(now_ms - request.settle_seconds * 1000)
        pages, charges, complete = [], [], 0
        for first in range(0, len(datasets), request.batch_size):
            for group in grouped(datasets[first : first + request.batch_size], self.gateway.spec.most_instruments):
                to_ask = {dataset: coverages[dataset].to_ask(settled_before_ms) for dataset in group}
                wanted = {Instrument.of(one): Wanted(spans, expected) for one, spans in to_ask.items() if spans}
                complete += len(group) - len(wanted)
                made = [charge for query in self.gateway.queries(wanted, now_ms) for charge in query.charges]
                pages.append(len(made))
                charges += made
        stored, denied, missing = (
            sum(dataset.count(spans & expected) for dataset, spans in found)
            for found in (
                [(dataset, one.stored) for dataset, one in coverages.items()],
                [(dataset, one.denied) for dataset, one in coverages.items()],
                [(dataset, one.missing) for dataset, one in coverages.items()],
            )
        )
        weight = sum(charge.tokens for charge in charges)
        held = StoredSymbols(tuple(pages), stored, denied, missing, len(datasets), complete, weight)
        return held, set(charges) or set(self.gateway.spec.charges)

    def _bytes_per_bar(self, datasets: Sequence[Dataset], coverages: Sequence[Coverage]) -> float | None:
        """The bytes per bar of the job's own symbols, or else of others of the same interval."""
        own = (dataset for dataset, coverage in zip(datasets, coverages, strict=True) if coverage.stored)
        measured = self.bytes_per_bar(list(islice(own, MOST_MEASURED)))
        if measured is None:
            kind = (datasets[0].broker, datasets[0].interval)
            others = (one for one in self.candles.datasets() if (one.broker, one.interval) == kind)
            measured = self.bytes_per_bar(list(islice(others, MOST_MEASURED)))
        return measured
