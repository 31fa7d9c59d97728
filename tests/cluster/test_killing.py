"""kill -9, in mid-run: no candle is lost or doubled, and the limit holds across it."""

from __future__ import annotations

import pytest

from domain.jobs.status import JobStatus
from tests.cluster.collection_bench import actor_process, family_of, kill_all, until
from tests.cluster.conftest import Benches

FIVE_SECONDS = ("--limits", "30/5s", "--uplink-ms", "25", "--downlink-ms", "25", "--jitter", "1.0")
"""A window longer than a restart takes: a limiter that forgot would be caught."""


@pytest.mark.parametrize("victim", ["worker-", "limiter:", "job:"], ids=["worker", "limiter", "coordinator"])
def test_a_job_survives_the_death_of_any_of_its_actors(in_cluster: Benches, victim: str) -> None:
    bench = in_cluster(*FIVE_SECONDS)
    bench.configure(symbols=60, limits=["30/5s"], timeout_seconds=2)
    with bench.service() as service:
        job = service.submit()
        names = {"limiter:": f"limiter:binance:{bench.account}", "job:": f"job:{job.job_id}"}
        bench.until_requests(8)
        name = names.get(victim, victim)
        killed = actor_process(name)
        kill_all([killed])
        until(lambda: victim == "worker-" or actor_process(name).pid != killed.pid, "there is another in its place")
        progress = service.attach(job.job_id).wait()
        assert (progress.status, progress.symbols_completed) == (JobStatus.COMPLETED, 60)
        completed = [entry for entry in service.history(job.job_id) if "Completed" in entry.event]
    assert len(completed) == 1
    bench.assert_limit_kept()
    bench.assert_candles_are_true()


def test_after_kill_9_of_everything_another_process_goes_on_within_the_same_limit(embedded: Benches) -> None:
    bench = embedded(*FIVE_SECONDS)
    bench.configure(symbols=60, limits=["30/5s"], timeout_seconds=2)
    first = bench.start("collect", str(bench.path))
    bench.until_requests(28)
    kill_all(family_of(first))
    asked = bench.requests
    assert asked < 60
    with bench.service() as service:
        (orphan,) = service.jobs()
    assert orphan.status is JobStatus.RUNNING

    second = bench.run("resume", orphan.job_id)

    assert second.returncode == 0, second.stderr
    assert "60 of 60 complete" in second.stdout
    bench.assert_limit_kept()
    bench.assert_candles_are_true()
