"""The broker's refusals and counts, on real Ray and real HTTP: obeyed, shown, and no symbol's failure."""

from __future__ import annotations

import json
import urllib.request

import ray

from actors.cluster import session
from domain.jobs.status import JobStatus
from domain.limits.messages import LimiterStatus
from tests.cluster.conftest import Benches


def test_a_refusal_starts_a_cooldown_that_is_recorded_once_and_another_programs_use_is_counted(
    in_cluster: Benches,
) -> None:
    bench = in_cluster("--limits", "200w/60s", "--fault", "throttled,symbol=SIM003,times=1")
    bench.configure(symbols=20, limits=["15/1s", "200w/60s"])
    for _ in range(30):  # another program on the same account
        with urllib.request.urlopen(f"{bench.simulator.base_url}/api/v3/ping", timeout=5) as answer:
            assert answer.status == 200
    with bench.service() as service:
        job = service.submit()
        progress = job.wait()
        assert (progress.status, progress.symbols_completed, progress.symbols_failed) == (JobStatus.COMPLETED, 20, 0)
        limiter = session.find_actor(f"limiter:binance:{bench.account}")
        status: LimiterStatus = ray.get(limiter.status.remote(), timeout=10)
    [window] = [each for each in status.windows if each.limit == "200w/60s"]
    assert 0 < window.others <= 30 <= window.reserved <= 60
    assert (status.cooldowns, status.cooldown_length_seconds) == (1, 1.0)
    assert bench.simulator.report()["violations"] == 0

    shown = bench.run("history", job.job_id, "--json")

    [cooled_down] = [entry for entry in json.loads(shown.stdout)["events"] if entry["event"] == "AccountSealed"]
    assert cooled_down["reason"] == "binance: HTTP 429: too many requests"
    assert cooled_down["details"] == {"seconds": 1.0}
