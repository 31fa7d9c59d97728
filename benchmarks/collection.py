"""A whole job against the ideal, and what starting Ray costs."""

from __future__ import annotations

import time

from actors.service import CollectionService
from benchmarks.tables import Table
from benchmarks.workbench import symbols, workbench
from domain.jobs.status import JobStatus
from domain.limits.rates import RateLimit, ideal_makespan_seconds

LIMIT = RateLimit.parse("15/1s")
SYMBOLS = 100
DAYS_PER_PAGE = 1000


def measure(pages_per_symbol: int) -> Table:
    """Collect 100 symbols at 15/s with 4 workers."""
    with workbench(["--limits", str(LIMIT), "--uplink-ms", "25", "--downlink-ms", "25"]) as bench:
        settings = bench.settings(symbols(SYMBOLS), [str(LIMIT)], pages_per_symbol * DAYS_PER_PAGE, workers=4)
        began_at = time.monotonic()
        with CollectionService(settings) as service:
            handle = service.submit()
            *_, last = handle.watch()
            completed_at = time.monotonic()
        closed_at = time.monotonic()
        report = bench.exchange.report()
        first_arrival_at = bench.exchange.arrivals()[0]["at_seconds"]
    if last.status is not JobStatus.COMPLETED:
        raise RuntimeError(f"the job ended as {last}")
    ideal_seconds = ideal_makespan_seconds(report["requests"], LIMIT, last.mean_call_seconds)
    collecting_seconds = completed_at - first_arrival_at
    rows = [
        ("result", f"{last.status}, {last.symbols_completed} symbols, {last.candles_saved:,} candles"),
        ("requests", f"{report['requests']}, {report['violations']} violations"),
        (
            "submit() to the first request (what starting Ray costs)",
            f"{first_arrival_at - began_at:.2f} s",
        ),
        ("first request to COMPLETED", f"{collecting_seconds:.2f} s"),
        (
            f"ideal for calls of {1000 * last.mean_call_seconds:.0f} ms, from the grant to the answer",
            f"{ideal_seconds:.2f} s",
        ),
        ("above the ideal", f"{collecting_seconds / ideal_seconds - 1:+.1%}"),
        ("closing (stopping Ray)", f"{closed_at - completed_at:.2f} s"),
        ("total", f"{closed_at - began_at:.2f} s"),
    ]
    note = f"{SYMBOLS} symbols, {pages_per_symbol} pages each, {LIMIT}, 4 workers, 25 ms each way."
    return Table("A collection job against the ideal", ("", "measured"), rows, note)
