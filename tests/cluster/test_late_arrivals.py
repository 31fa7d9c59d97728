"""Requests that arrive long after they were abandoned, and frozen workers that go on with old permits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import psutil
import pytest

from actors.cluster.handles import JobHandle
from domain.jobs.status import JobStatus
from domain.limits.rates import RateLimit
from tests.cluster.collection_bench import CollectionBench, actor_processes, kill_all, until
from tests.cluster.conftest import Benches
from tests.cluster.relay import HoldingRelay

TIMEOUT_SECONDS = 2.0
HOLD_SECONDS = 3.0
"""A second after a client times out, nearly three after a shutdown; a second before the limiter stops counting."""
AMOUNT, LIMIT = 20, "20/4s"
SYMBOLS, WORKERS = 50, 4
TOO_OLD_SECONDS = 2.5
"""A permit may be used for two seconds."""


@pytest.fixture
def bench(in_cluster: Benches) -> CollectionBench:
    return in_cluster("--limits", LIMIT)


@pytest.fixture
def relay(bench: CollectionBench) -> Iterator[HoldingRelay]:
    with HoldingRelay(bench.simulator.base_url, HOLD_SECONDS) as relay:
        bench.configure(
            symbols=SYMBOLS, workers=WORKERS, limits=[LIMIT], timeout_seconds=TIMEOUT_SECONDS, base_url=relay.base_url
        )
        yield relay


def test_requests_that_arrive_after_a_timeout_a_kill_and_a_shutdown_are_still_counted(
    bench: CollectionBench, relay: HoldingRelay
) -> None:
    def held() -> int:
        relay.hold_next(4)
        until(lambda: relay.holding >= 2, "requests are held back")
        return relay.late

    with bench.service() as service:
        job = service.submit()
        before = held()
        until(lambda: relay.late > before, "a request arrives after its client has timed out")

        before = held()
        kill_all(actor_processes("worker-"))
        until(lambda: relay.late > before, "a request of a dead worker arrives")

        before = held()
        assert isinstance(job, JobHandle)
        job.shutdown()
        job = service.submit()
        until(lambda: relay.late > before, "a request that was cancelled arrives")

        progress = job.wait()
        assert (progress.status, progress.symbols_completed) == (JobStatus.COMPLETED, SYMBOLS)
    assert relay.late >= 3
    bench.assert_limit_kept()
    audited = bench.run("audit", progress.job_id)
    assert audited.returncode == 0, audited.stdout + audited.stderr
    assert "proven" in audited.stdout


def test_frozen_workers_send_nothing_with_permits_from_before_they_thawed(
    bench: CollectionBench, relay: HoldingRelay
) -> None:
    with bench.service() as service:
        job = service.submit()
        until(lambda: len(bench.history()) >= AMOUNT, "the first window is used up")
        until(lambda: len(actor_processes("worker-")) == WORKERS, "every worker is there to be frozen")
        workers = actor_processes("worker-")

        relay.hold_next(4)
        until(lambda: relay.holding >= 2, "requests are on their way")
        asked = bench.requests
        with frozen(workers):
            until(lambda: bench.requests > asked, "they arrive while those who sent them are frozen")

        granted_to_the_frozen = 0
        while not granted_to_the_frozen:
            until(lambda: time.time() > when_there_is_room(bench) - 0.15, "the next window is about to begin")
            with frozen(workers):
                froze_at = time.time()
                time.sleep(TOO_OLD_SECONDS)
                granted_to_the_frozen = permits_granted(bench, froze_at, time.time())
            thawed_at = time.time()
        progress = job.wait()
        assert (progress.status, progress.symbols_completed) == (JobStatus.COMPLETED, SYMBOLS)
    assert permits_granted(bench, froze_at, thawed_at - TOO_OLD_SECONDS + 0.3) == 0, "none of them was used"
    bench.assert_limit_kept()


@contextmanager
def frozen(processes: list[psutil.Process]) -> Iterator[None]:
    """Stop these processes, as a debugger or a swapping machine does, until the block ends."""
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


def when_there_is_room(bench: CollectionBench) -> float:
    """When the limiter, which grants nothing now, will grant again; in seconds since 1970."""
    history, limit = bench.history(), RateLimit.parse(LIMIT)
    free_at = np.sort(history.completed_seconds + limit.window_seconds * 1.001 + 0.001)
    counted = free_at[free_at > time.time()]
    return float(counted[0]) if len(counted) >= limit.amount else float("inf")


def permits_granted(bench: CollectionBench, since: float, until: float) -> int:
    """Permits granted in that time that were used, or still may be."""
    granted = bench.history().granted_seconds
    return int(((since < granted) & (granted < until)).sum())
