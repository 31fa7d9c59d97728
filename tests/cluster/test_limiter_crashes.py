"""kill -9 of the limiter and of the driver: what was sent before is not forgotten, and room is not wasted."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import psutil

from actors.service import state_folder
from domain.jobs import JobStatus
from tests.cluster.collection_bench import CollectionBench, actor_process, kill_all, until
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


def test_a_second_run_at_once_takes_the_room_of_the_record_and_waits_where_the_record_is_torn(
    embedded: Benches,
) -> None:
    bench = embedded("--limits", "40/60s", "--uplink-ms", "100")
    bench.configure(symbols=60, limits=["40/60s"], timeout_seconds=2, workers=1)
    first = bench.start("collect", str(bench.path))
    bench.until_requests(16)
    kill_all([psutil.Process(first.pid)])
    seen = bench.requests
    assert seen < 36

    second = bench.start("collect", str(bench.path))
    bench.until_requests(36)
    moments = [arrival["at_seconds"] for arrival in bench.simulator.arrivals()]
    assert moments[35] - moments[0] < MINUTE_SECONDS, "it did not wait the first run's window out"
    interrupt(second)
    assert bench.requests <= 40

    record = state_folder() / f"binance@{bench.account}.permits"
    with record.open("ab") as file:
        file.write(b"\x00\x00")
    asked = bench.requests
    third = bench.start("collect", str(bench.path))
    assert third.stdout is not None
    said = next(line for line in third.stdout if "the permit record is torn" in line)
    assert "nothing is sent for" in said
    interrupt(third)
    assert bench.requests == asked
    bench.assert_limit_kept()
    audited = json.loads(bench.run("audit", job_of(bench), "--json").stdout)
    assert audited["is_proven"]
    assert bench.requests <= audited["permits"] <= 40


def job_of(bench: CollectionBench) -> str:
    """The only job there is."""
    with bench.service() as service:
        (progress,) = service.jobs()
    return progress.job_id


def interrupt(process: subprocess.Popen[str]) -> None:
    """Ctrl-C, and see it end in an orderly way."""
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 3
