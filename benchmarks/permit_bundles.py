"""How many permits a second workers get from the limiter actor: one a call, and in permit bundles."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from actors.cluster.session import RaySession
from actors.collecting.permit_client import PermitClient
from actors.rate_limiter import RateLimiter
from actors.settings.state_folder import state_folder
from adapters.boot_clock import boot_seconds
from benchmarks.tables import Table
from benchmarks.workbench import temporary_state
from domain.limits.permit_bundles import BundleTerms
from domain.limits.rates import AccountLimits, RateLimit

LIMIT = "1000000/1s"
"""Far more than any limiter grants, so that only the calls for permits are measured."""
CLIENTS = 4
SLOTS = 100
ACTOR_OPTIONS: dict[str, Any] = {"num_cpus": 0, "max_concurrency": 10_000}


@dataclass(frozen=True, slots=True)
class PermitRun:
    """The result of one way to take permits, over all clients."""

    name: str
    permits: int
    calls: int
    seconds: float
    limiter_cpu_seconds: float

    @property
    def permits_per_second(self) -> float:
        return self.permits / self.seconds


class BundlingClient:
    """Takes permits as fast as it gets them, in many slots; everything is answered at once."""

    def __init__(self, limiter: Any, limits: AccountLimits | None) -> None:
        self._limiter, self._bundles = limiter, BundleTerms.of(limits) if limits else None

    async def ready(self) -> bool:
        """Answers once the process is up."""
        return True

    async def run(self, seconds: float) -> tuple[int, int]:
        """So many permits, in so many calls."""
        from actors.cluster.handles import RemoteRateLimiter

        calls = _CountedCalls(RemoteRateLimiter(self._limiter))
        client = PermitClient(calls, clock=boot_seconds, bundles=self._bundles)
        until = time.monotonic() + seconds
        permits = await asyncio.gather(*(self._slot(client, until) for _ in range(SLOTS)))
        await client.close()
        return sum(permits), calls.count

    async def _slot(self, client: PermitClient, until: float) -> int:
        permits = 0
        while time.monotonic() < until:
            async with client.acquire() as permit:
                permit.sent()
                permit.answered()
            permits += 1
        return permits


class _CountedCalls:
    """A limiter's calls, counted."""

    def __init__(self, calls: Any) -> None:
        self.count = 0
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        self.count += 1
        return getattr(self._calls, name)


class PlainActor:
    """An actor for measuring the cost of an empty call."""

    async def acquire(self) -> None:
        """Nothing."""


class PlainClient:
    """Calls a PlainActor as often as it can."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    async def ready(self) -> bool:
        """Answers once the process is up."""
        return True

    async def run(self, seconds: float) -> tuple[int, int]:
        """So many calls, twice."""
        until = time.monotonic() + seconds
        calls = await asyncio.gather(*(self._slot(until) for _ in range(SLOTS)))
        return sum(calls), sum(calls)

    async def _slot(self, until: float) -> int:
        calls = 0
        while time.monotonic() < until:
            await self._actor.acquire.remote()
            calls += 1
        return calls


def measure(seconds: float, repetitions: int) -> Table:
    """Run the ways in turns, so that other work of the machine affects them alike."""
    session = RaySession()
    with temporary_state():
        session.connect("embedded")
        try:
            rounds = [[_plain(seconds), _one_a_call(seconds), _bundled(seconds)] for _ in range(repetitions)]
        finally:
            session.close()
    return _table(rounds)


def _table(rounds: list[list[PermitRun]]) -> Table:
    columns = ("way", "permits/s", "ratio to one a call", "permits a call", "limiter CPU a permit")
    rows = []
    for number, first in enumerate(rounds[0]):
        runs = [each[number] for each in rounds]
        ratios = [each[number].permits_per_second / each[1].permits_per_second for each in rounds]
        rows.append(
            (
                first.name,
                f"{statistics.fmean(run.permits_per_second for run in runs):,.0f}",
                f"{statistics.fmean(ratios):.1f}x ({min(ratios):.1f}-{max(ratios):.1f})",
                f"{statistics.fmean(run.permits / run.calls for run in runs):.1f}",
                f"{1e6 * statistics.fmean(run.limiter_cpu_seconds / run.permits for run in runs):,.0f} us",
            )
        )
    note = (
        f"{CLIENTS} client actors of {SLOTS} slots over Ray, limit {LIMIT}, everything answered at once; completions "
        f"are sent with acquires, and the limiter writes its record. {len(rounds)} rounds, the ways in turns in each."
    )
    return Table("Permits a second", columns, rows, note)


def _plain(seconds: float) -> PermitRun:
    import ray

    actor = ray.remote(PlainActor).options(**ACTOR_OPTIONS).remote()
    return _run("a Ray call that does nothing", PlainClient, (actor,), actor, seconds)


def _one_a_call(seconds: float) -> PermitRun:
    limiter, _ = _limiter()
    return _run("one permit a call", BundlingClient, (limiter, None), limiter, seconds)


def _bundled(seconds: float) -> PermitRun:
    limiter, limits = _limiter()
    return _run("bundles", BundlingClient, (limiter, limits), limiter, seconds)


def _limiter() -> tuple[Any, AccountLimits]:
    from actors.cluster.builders import LimiterBuilder, as_actor

    limits = AccountLimits(
        "benchmark", uuid4().hex, (RateLimit.parse(LIMIT),), timeout_seconds=10, abandoned_seconds=10
    )
    builder = LimiterBuilder(limits, state_folder(), "the benchmark", uuid4().hex, audit_days=1)
    return as_actor(RateLimiter, **ACTOR_OPTIONS).remote(builder), limits


def _run(name: str, client_class: type, arguments: tuple[Any, ...], actor: Any, seconds: float) -> PermitRun:
    import psutil
    import ray

    remote_class: Any = ray.remote(client_class).options(num_cpus=0)
    clients = [remote_class.remote(*arguments) for _ in range(CLIENTS)]
    try:
        ray.get([client.ready.remote() for client in clients])
        process = psutil.Process(ray.get(actor.__ray_call__.remote(_process_id)))
        before = sum(process.cpu_times()[:2])
        began_at = time.monotonic()
        totals = ray.get([client.run.remote(seconds) for client in clients])
        elapsed_seconds = time.monotonic() - began_at
        cpu_seconds = sum(process.cpu_times()[:2]) - before
    finally:
        for each in (*clients, actor):
            ray.kill(each)
    permits, calls = (sum(column) for column in zip(*totals, strict=True))
    return PermitRun(name, permits, calls, elapsed_seconds, cpu_seconds)


def _process_id(_: Any) -> int:
    import os

    return os.getpid()
