"""Shutdown on real Ray: PAUSED is in the store within a second, whatever the workers are doing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import pytest

from actors.cluster.handles import JobHandle
from actors.service import CollectionService
from actors.use_cases.finished_job import FinishedJob
from domain.jobs.status import JobStatus
from tests.cluster.collection_bench import CollectionBench, until
from tests.cluster.conftest import Benches


def waiting_for_a_permit(bench: CollectionBench, job: JobHandle) -> None:
    until(lambda: job.progress().pages_done == 3, "all permits of the window are used up")


def in_a_hung_fetch(bench: CollectionBench, job: JobHandle) -> None:
    bench.until_requests(4)


def paused(bench: CollectionBench, job: JobHandle) -> None:
    bench.until_requests(4)
    assert job.pause().status is JobStatus.PAUSED


def between_batches(bench: CollectionBench, job: JobHandle) -> None:
    until(lambda: job.progress().symbols_completed >= 3, "batches are done and others begun")


States = tuple[Callable[[CollectionBench, JobHandle], None], tuple[str, ...], Mapping[str, object]]
STATES: list[States] = [
    (waiting_for_a_permit, ("--limits", "3/3s"), {"limits": ["3/3s"], "symbols": 8}),
    (in_a_hung_fetch, ("--fault", "hung,times=4"), {"symbols": 8, "workers": 1}),
    (paused, (), {"symbols": 30}),
    (between_batches, (), {"symbols": 30, "batch_size": 1}),
]


@pytest.mark.parametrize(("reach", "options", "changes"), STATES, ids=[state[0].__name__ for state in STATES])
def test_shutdown_has_paused_stored_within_a_second(
    in_cluster: Benches,
    reach: Callable[[CollectionBench, JobHandle], None],
    options: tuple[str, ...],
    changes: Mapping[str, object],
) -> None:
    bench = in_cluster(*options)
    bench.configure(**changes)
    with bench.service() as service:
        job = begun(service)
        reach(bench, job)
        called_at = time.monotonic()
        progress = job.shutdown()
        seconds = time.monotonic() - called_at
        assert seconds < 1.0
        assert (progress.status, progress.is_attended) == (JobStatus.PAUSED, False)
    with bench.service() as another:
        (stored,) = another.jobs()
        assert stored.status is JobStatus.PAUSED
        asked = bench.requests
        assert another.submit().wait().status is JobStatus.COMPLETED
    assert bench.requests > asked
    bench.assert_limit_kept()
    bench.assert_candles_are_true()


def begun(service: CollectionService) -> JobHandle:
    job = service.submit()
    assert not isinstance(job, FinishedJob)
    return job


def test_a_job_goes_on_in_the_process_where_its_run_ended(in_cluster: Benches) -> None:
    bench = in_cluster()
    bench.configure(symbols=30)
    with bench.service() as service:
        job = begun(service)
        bench.until_requests(4)
        assert job.shutdown().status is JobStatus.PAUSED
        assert service.resume(job.job_id).wait().status is JobStatus.COMPLETED
    bench.assert_limit_kept()
    bench.assert_candles_are_true()
