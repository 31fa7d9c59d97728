"""kill -9 of the limiter and of the driver: what was sent before is not forgotten, and room is not wasted."""

from __future__ import annotations

import json
import os
import signal

import psutil

from actors.settings.state_folder import state_folder
from domain.jobs.status import JobStatus
from tests.cluster.collection_bench import actor_process, family_of, kill_all, still_there, until
from tests.cluster.conftest import Benches

LONGER_THAN_A_RESTART = "60/6s"
MINUTE_SECONDS = 60.0


def test_a_limiter_killed_in_mid_run_again_and_again_forgets_nothing(in_cluster: Benches) -> None:
    bench = in_cluster("--limits", LONGER_THAN_A_RESTART, "--uplink-ms", "40", "--jitter", "1.0")
    bench.configure(symbols=130, limits=[LONGER_THAN_A_RESTART], timeout_seconds=2)
    limiter = f"limiter:binance:{bench.account}"
    with bench.service() as service:
        job = service.submit()
        for requests in (20, 70):
            bench.until_requests(requests)
            killed = actor_process(limiter)
            kill_all([killed])
            until(lambda: actor_process(limiter).pid != killed.pid, "there is another in its place")  # noqa: B023
        progress = service.attach(job.job_id).wait()
        assert (progress.status, progress.symbols_completed) == (JobStatus.COMPLETED, 130)
        bench.assert_limit_kept()

        report = service.audit(job.job_id, plot := bench.folder / "audit.svg")
    assert report.is_proven
    assert report.server == bench.simulator.report()
    (window,) = report.audit.windows
    assert report.server["most_in_window"]["60/6s"] <= window.most <= 60, (
        "the audit never takes a window for emptier than it was"
    )
    assert report.audit.answered == progress.requests
    assert plot.stat().st_size > 1000


def test_a_second_run_at_once_takes_the_room_that_the_record_shows_and_no_more(embedded: Benches) -> None:
    bench = embedded("--limits", "40/60s", "--uplink-ms", "400", "--jitter", "0.2")
    bench.configure(symbols=60, limits=["40/60s"], timeout_seconds=2, workers=1, concurrency=2)
    first = bench.start("collect", str(bench.path))
    bench.until_requests(8)
    limiter = [process for process in family_of(first) if "RateLimiter" in " ".join(process.cmdline())]
    kill_all([psutil.Process(first.pid)])
    second = bench.start("collect", str(bench.path))
    until(lambda: not still_there(limiter), "the killed driver's actors have gone after it")
    assert limiter
    assert bench.requests < 34, "there is room left for the second run"

    bench.until_requests(36)
    moments = [arrival["at_seconds"] for arrival in bench.simulator.arrivals()]
    assert moments[35] - moments[0] < MINUTE_SECONDS, "it did not wait the first run's window out"
    until(lambda: len(bench.history()) >= 40, "all the room is used")
    (job,) = bench.stored_jobs()
    assert "RUNNING" in bench.run("status", job.job_id).stdout, "it waits, and whoever asks is answered meanwhile"
    assert bench.requests <= 40
    os.killpg(second.pid, signal.SIGINT)
    second.communicate(timeout=30)
    assert second.returncode == 3
    bench.assert_limit_kept()
    audited = json.loads(bench.run("audit", job.job_id, "--json").stdout)
    assert audited["is_proven"]
    assert bench.requests <= audited["permits"] <= 40, "what the killed driver's workers held counts as well"


def test_a_limiter_whose_record_is_torn_waits_it_out_and_says_so_to_whoever_watches(in_cluster: Benches) -> None:
    bench = in_cluster("--limits", "20/60s")
    bench.configure(symbols=60, limits=["20/60s"], timeout_seconds=2)
    with bench.service() as service:
        job = service.submit()
        bench.until_requests(20)
        with (state_folder() / f"binance@{bench.account}.permits").open("ab") as record:
            record.write(b"\x00\x00")
        kill_all([actor_process(f"limiter:binance:{bench.account}")])
        until(lambda: "the permit record is torn" in job.progress().evidence_wait_reason, "the watcher is told why")
        assert job.progress().evidence_wait_seconds > 60.0
        bench.run("limiter", "end-cooldown", "binance", "--account", bench.account)
        assert job.progress().evidence_wait_seconds > 55.0, "nobody ends the wait for lost evidence"
        assert "nothing is sent for" in bench.run("status", job.job_id).stdout
        job.shutdown()
    assert bench.requests == 20
