"""Our rate limiter side by side with aiolimiter, against the same strict exchange and the same network."""

from __future__ import annotations

import functools
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import numpy as np

from actors.rate_limiter import RateLimiter
from actors.ray_session import RaySession
from actors.service import LimiterBuilder, as_actor, state_folder
from benchmarks.limiter_actors import AsyncLimiterActor, BenchmarkClient, ClientTally
from benchmarks.tables import Table
from benchmarks.workbench import workbench
from domain.rates import AccountLimits, RateLimit, ideal_makespan_seconds

LIMIT = RateLimit.parse("15/1s")
CLIENTS = 4
LANES = 12
ACTOR_OPTIONS: dict[str, Any] = {"num_cpus": 0, "max_concurrency": 10_000}
NETWORKS = {
    "calm": ["--uplink-ms", "25", "--downlink-ms", "25", "--jitter", "0.1"],
    "jittery": ["--uplink-ms", "50", "--downlink-ms", "10", "--jitter", "1"],
}
"""calm: 25 ms each way; jittery: lognormal, median 50 ms in and 10 ms out, sigma 1."""


@dataclass(frozen=True, slots=True)
class LimiterRun:
    """One limiter on one network; the counts are the server's."""

    limiter: str
    network: str
    requests: int
    makespan_seconds: float
    mean_call_seconds: float
    most_in_window: int
    violations: int
    arrivals_seconds: list[float]

    @property
    def ideal_seconds(self) -> float:
        return ideal_makespan_seconds(self.requests, LIMIT, self.mean_call_seconds)

    @property
    def utilisation(self) -> float:
        """The steady pace of arrivals (slope of a straight line through them) as a share of the limit."""
        moments = np.array(self.arrivals_seconds)
        slope = float(np.polyfit(moments, np.arange(len(moments)), 1)[0])
        return slope * LIMIT.window_seconds / LIMIT.amount


def measure(requests: int) -> list[LimiterRun]:
    """Every limiter on every network, one after the other, in one Ray."""
    session = RaySession()
    session.connect("embedded")
    try:
        return [_run(name, make, network, requests) for network in NETWORKS for name, make in _limiters().items()]
    finally:
        session.close()


def table(runs: list[LimiterRun]) -> Table:
    """The runs as rows."""
    columns = (
        "limiter",
        "network",
        "requests",
        "makespan",
        "ideal",
        "to ideal",
        "utilisation",
        "most in 1 s",
        "violations",
    )
    rows = [
        (
            run.limiter,
            run.network,
            str(run.requests),
            f"{run.makespan_seconds:.2f} s",
            f"{run.ideal_seconds:.2f} s",
            f"{run.makespan_seconds / run.ideal_seconds - 1:+.1%}",
            f"{run.utilisation:.1%}",
            str(run.most_in_window),
            f"{run.violations} ({run.violations / run.requests:.1%})",
        )
        for run in runs
    ]
    means = {run.network: f"{1000 * run.mean_call_seconds:.0f} ms" for run in runs}
    calls = ", ".join(f"{mean} {network}" for network, mean in means.items())
    note = (
        f"Limit {LIMIT}, enforced by the server over a sliding window; {CLIENTS} client actors, one limiter actor. "
        f"Ideal: the least time without trusting the network, for the run's own mean call (last runs: {calls}). "
        "A limiter that trusts the network can be faster than that, and is refused for it."
    )
    return Table("Rate limiters against a strict server", columns, rows, note)


def _limiters() -> dict[str, Callable[[], Any]]:
    return {
        "RateLimiter": _ledger_actor,
        "AsyncLimiter(15, 1)": functools.partial(_async_limiter_actor, 15, 1.0),
        "AsyncLimiter(1, 1/15)": functools.partial(_async_limiter_actor, 1, 1 / 15),
    }


def _ledger_actor() -> Any:
    limits = AccountLimits("benchmark", uuid4().hex, (LIMIT,), timeout_seconds=10.0, stray_seconds=10.0)
    builder = LimiterBuilder(limits, state_folder(), "the benchmark", uuid4().hex)
    return as_actor(RateLimiter, **ACTOR_OPTIONS).remote(builder)


def _async_limiter_actor(amount: float, window_seconds: float) -> Any:
    import ray

    return ray.remote(AsyncLimiterActor).options(**ACTOR_OPTIONS).remote(amount, window_seconds)


def _run(name: str, make_limiter: Callable[[], Any], network: str, requests: int) -> LimiterRun:
    with workbench(["--limits", str(LIMIT), *NETWORKS[network]]) as bench:
        tallies = _send(bench.exchange.base_url, make_limiter(), name == "RateLimiter", requests)
        report = bench.exchange.report()
        first, *_ = arrivals = [arrival["at_seconds"] for arrival in bench.exchange.arrivals()]
    calls = [seconds for tally in tallies for seconds in tally.call_seconds]
    return LimiterRun(
        limiter=name,
        network=network,
        requests=report["requests"],
        # The server cannot see the first way in and the last way out: a mean call is about both.
        makespan_seconds=report["first_to_last_seconds"] + statistics.fmean(calls),
        mean_call_seconds=statistics.fmean(calls),
        most_in_window=report["most_in_window"][str(LIMIT)],
        violations=report["violations"],
        arrivals_seconds=[at_seconds - first for at_seconds in arrivals],
    )


def _send(base_url: str, limiter: Any, has_ledger: bool, requests: int) -> list[ClientTally]:
    import ray

    client_class: Any = ray.remote(BenchmarkClient).options(num_cpus=0, max_concurrency=100)
    clients = [client_class.remote(base_url, limiter, has_ledger) for _ in range(CLIENTS)]
    try:
        ray.get([client.ready.remote() for client in clients])
        tallies: list[ClientTally] = ray.get([client.run.remote(requests // CLIENTS, LANES) for client in clients])
        return tallies
    finally:
        for actor in (*clients, limiter):
            ray.kill(actor)
