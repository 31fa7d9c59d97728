"""An operator at another terminal: pause, restart, resume and shutdown of the limiter of an embedded run."""

from __future__ import annotations

import json

import psutil

from actors.service import limiter_operator
from actors.use_cases.limiter_operator import LimiterOperator
from domain.errors import LimiterUnavailable
from domain.limits.messages import LimiterStatus
from tests.cluster.collection_bench import CollectionBench, family_of, kill_all, until
from tests.cluster.conftest import Benches


def test_a_pause_stops_all_requests_outlives_the_limiter_and_a_shutdown_pauses_the_job(embedded: Benches) -> None:
    bench = embedded("--limits", "15/1s")
    bench.configure(symbols=90, workers=2)
    run = bench.start("collect")
    bench.until_requests(20)
    paused = bench.run("limiter", "pause", "binance")
    assert (paused.returncode, paused.stderr) == (0, "")
    with limiter_operator("binance", bench.account) as operator:
        status = operator.status()
        assert status is not None
        assert (status.paused, [job.share for job in status.jobs]) == (True, [1.0])
        in_flight_have_arrived(bench, operator)
        requests = bench.requests
        kill_all([child for child in family_of(run) if _title(child).startswith("ray::RateLimiter")])
        until(lambda: _status(operator) and _status(operator) != status, "the limiter is there again")
        until(lambda: _status(operator, waiting=True), "the workers ask it again")
        assert operator.status() is not None
        assert bench.requests == requests, "nothing was sent, paused and restarted"
        assert operator.resume()
        bench.until_requests(requests + 20)
        assert operator.shutdown()
    out, _ = run.communicate(timeout=30)
    assert run.returncode == 3, out
    job = json.loads(bench.run("jobs", "--json").stdout)[0]
    assert (job["status"], job["symbols_failed"]) == ("PAUSED", 0)
    assert job["reason"].startswith("limiter_unavailable: ")
    assert bench.run("limiter", "status", "binance").stdout == f"no limiter of binance/{bench.account} runs\n"
    assert bench.run("resume", job["job_id"]).returncode == 0
    bench.assert_limit_kept()
    bench.assert_candles_are_true()


def in_flight_have_arrived(bench: CollectionBench, operator: LimiterOperator) -> None:
    """Everything granted before the pause has left the window again."""
    until(lambda: (status := operator.status()) and status.windows[0].counted == 0, "what was sent is answered")


def _status(operator: LimiterOperator, waiting: bool = False) -> LimiterStatus | None:
    try:
        status = operator.status()
    except LimiterUnavailable:
        return None
    assert status is None or status.paused, "a restarted limiter grants nothing either"
    return status if status and (status.waiting or not waiting) else None


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def test_a_clusters_limiter_keeps_to_the_strictest_run_and_relaxes_when_it_ends(in_cluster: Benches) -> None:
    bench = in_cluster("--limits", "15/1s")

    def in_force() -> list[str]:
        shown = json.loads(bench.run("limiter", "status", "binance", "--json").stdout)
        return [window["limit"] for window in shown["windows"]]

    bench.configure(symbols=200, limits=["15/1s"])
    with bench.service() as loose:
        job = loose.submit()
        bench.configure(symbols=40, name="strict", limits=["3/1s"])
        with bench.service() as strict:
            strict_job = strict.submit()
            assert in_force() == ["3/1s"]
            strict_job.shutdown()
            until(lambda: in_force() == ["15/1s"], "the other run's limits are in force")
        bench.until_requests(bench.requests + 20)
        job.shutdown()
    bench.assert_limit_kept()
