"""The forecast of `candles plan`, compared with the run that follows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from actors.service import CollectionService
from benchmarks.tables import Table
from benchmarks.workbench import symbols, workbench
from domain.jobs.forecast import CollectionForecast
from domain.jobs.request import CollectionRequest
from domain.jobs.status import JobStatus
from domain.limits.rates import RateLimit
from domain.spans.time_span import TimeSpan

DAY_MS = 86_400_000
DAYS_PER_PAGE = 1000
PAGES = 3
TIMED = 300
"""Symbols of the job whose calls are timed: enough for a mean within 2 %."""
EACH_WAY_MS = "40"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A job whose time is bound by one limit, or by its slots."""

    limits: Sequence[str]
    symbols: int
    workers: int
    concurrency: int


SCENARIOS = (
    Scenario(["15/1s"], 100, 2, 8),
    Scenario(["20/1s", "100/10s"], 100, 2, 8),
    Scenario(["1000/1s"], 300, 2, 2),
    Scenario(["30/1s"], 300, 2, 2),
)


def measure(quick: bool) -> Table:
    """A short job whose calls are timed, a plan for a longer one made from that, and the longer one."""
    rows = []
    for scenario in SCENARIOS[2:3] if quick else SCENARIOS:
        untimed, foreseen, seconds = _run(scenario)
        rows.append(
            (
                f"{' and '.join(scenario.limits)}, {scenario.workers} x {scenario.concurrency} slots",
                f"{foreseen.requests}",
                foreseen.bound_by,
                f"{untimed.seconds:.2f} s",
                f"{foreseen.seconds:.2f} s",
                f"{seconds:.2f} s",
                f"{seconds / foreseen.seconds - 1:+.1%}",
            )
        )
    note = (
        f"{EACH_WAY_MS} ms each way. The forecast rests on the times that a job of {TIMED} one-page symbols recorded "
        "just before; the run counts from the first request's arrival to COMPLETED. At least: what the plan says "
        "before any call was timed."
    )
    return Table(
        "Forecast against run", ("job", "requests", "bound by", "at least", "forecast", "run", "off by"), rows, note
    )


def _run(scenario: Scenario) -> tuple[CollectionForecast, CollectionForecast, float]:
    with workbench(["--limits", *scenario.limits, "--uplink-ms", EACH_WAY_MS, "--downlink-ms", EACH_WAY_MS]) as bench:
        settings = bench.settings(
            symbols(scenario.symbols),
            scenario.limits,
            PAGES * DAYS_PER_PAGE,
            workers=scenario.workers,
            concurrency=scenario.concurrency,
        )
        with CollectionService(settings) as service:
            request = service.request()
            untimed = service.plan().forecast
            _complete(service, _timing(request))
            foreseen = service.plan().forecast
            time.sleep(max(RateLimit.parse(limit).window_seconds for limit in scenario.limits) + 1)
            earlier = len(bench.exchange.arrivals())
            _complete(service, request)
            completed_at = time.monotonic()
            arrivals = bench.exchange.arrivals()[earlier:]
    if len(arrivals) != foreseen.requests:
        raise RuntimeError(f"{len(arrivals)} requests came where the forecast was {foreseen.requests}")
    return untimed, foreseen, completed_at - arrivals[0]["at_seconds"]


def _timing(request: CollectionRequest) -> CollectionRequest:
    """A job of other, one-page symbols that is run like the request."""
    start_ms = request.span.start_ms
    span = TimeSpan(start_ms, start_ms + DAYS_PER_PAGE * DAY_MS)
    return replace(request, symbols=tuple(symbols(TIMED, "TIMED")), span=span)


def _complete(service: CollectionService, request: CollectionRequest) -> None:
    *_, last = service.submit(request).watch()
    if last.status is not JobStatus.COMPLETED:
        raise RuntimeError(f"the job ended as {last}")
