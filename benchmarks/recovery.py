"""How long a broker gets no request when the limiter is killed -9 in the middle of a run."""

from __future__ import annotations

import statistics
import time
from itertools import pairwise

from actors.service import CollectionService
from benchmarks.tables import Table
from benchmarks.workbench import actor_processes, symbols, wait_until, workbench
from domain.jobs.status import JobStatus
from domain.limits.rates import RateLimit

LIMITS = ("15/1s", "60/6s")
SYMBOLS = 150
KILL_AT = (40, 90)
"""How many requests have arrived at each of the two kills of the limiter."""

LIMITER = "RateLimiter"


def measure(quick: bool) -> Table:
    """A job of 4 workers under each limit, whose limiter is killed while it runs."""
    rows = [_row(RateLimit.parse(limit)) for limit in LIMITS[: 1 if quick else None]]
    columns = ("limit", "kills", "process back after", "silence", "longest pause without a kill", "violations")
    note = (
        f"{SYMBOLS} symbols of one page, 4 workers, 25 ms each way; the limiter's process is killed -9 after "
        f"{KILL_AT[0]} and {KILL_AT[1]} requests. Silence: from the kill to the next arrival at the exchange; what is "
        "promised is the actor's restart and one window. Permits in hand are used meanwhile."
    )
    return Table("A limiter killed in the middle of a run", columns, rows, note)


def _row(limit: RateLimit) -> tuple[str, ...]:
    killed: list[tuple[float, float]] = []
    with workbench(["--limits", str(limit), "--uplink-ms", "25", "--downlink-ms", "25"]) as bench:
        settings = bench.settings(symbols(SYMBOLS), [str(limit)], days=1000, workers=4)
        with CollectionService(settings) as service:
            handle = service.submit()
            for requests in KILL_AT:
                wait_until(lambda: bench.exchange.report()["requests"] >= requests, "requests have arrived")  # noqa: B023
                killed.append(_kill_limiter())
            last = handle.wait()
        if last.status is not JobStatus.COMPLETED:
            raise RuntimeError(f"the job ended as {last}")
        moments = [arrival["at_seconds"] for arrival in bench.exchange.arrivals()]
        violations = bench.exchange.report()["violations"]
    silences = [next(moment for moment in moments if moment > at + 0.1) - at for at, _ in killed]
    undisturbed = max(
        later - earlier for earlier, later in pairwise(moments) if not any(earlier <= at <= later for at, _ in killed)
    )
    back = statistics.fmean(seconds for _, seconds in killed)
    heard = ", ".join(f"{silence:.2f} s" for silence in silences)
    return str(limit), str(len(killed)), f"{back:.2f} s", heard, f"{undisturbed:.2f} s", str(violations)


def _kill_limiter() -> tuple[float, float]:
    """Kill it; returns when, and how long after that there was another."""
    (limiter,) = actor_processes(LIMITER)
    at = time.monotonic()
    limiter.kill()
    wait_until(lambda: any(process.pid != limiter.pid for process in actor_processes(LIMITER)), "another limiter lives")
    return at, time.monotonic() - at
