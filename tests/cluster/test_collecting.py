"""A job on real Ray and real HTTP, judged by the exchange's own count."""

from __future__ import annotations

from domain.jobs.status import JobStatus
from tests.cluster.conftest import Benches

JITTERY = ("--uplink-ms", "25", "--downlink-ms", "25", "--jitter", "1.0")


def test_a_hundred_symbols_are_collected_within_the_limit_and_asked_for_only_once(in_cluster: Benches) -> None:
    bench = in_cluster(*JITTERY)
    bench.configure(symbols=100, batch_size=10)
    with bench.service() as service:
        progress = service.submit().wait()
    assert (progress.status, progress.symbols_completed, progress.requests) == (JobStatus.COMPLETED, 100, 100)
    bench.assert_limit_kept()
    bench.assert_candles_are_true()
    requests = bench.requests

    again = bench.run("collect", str(bench.path))

    assert again.returncode == 0, again.stderr
    assert "100 of 100 complete" in again.stdout
    assert bench.requests == requests == 100


def test_no_request_leaves_between_paused_and_resume(in_cluster: Benches) -> None:
    bench = in_cluster(*JITTERY)
    bench.configure(symbols=60)
    with bench.service() as service:
        job = service.submit()
        bench.until_requests(10)
        paused = job.pause()
        asked = bench.requests
        assert paused.status is JobStatus.PAUSED
        assert paused.is_attended
        # More than a window: whatever had still been on its way would have arrived by now.
        assert job.wait_for(paused.version, 1.5).pages_done == paused.pages_done
        assert bench.requests == asked < 60
        job.resume()
        assert job.wait().status is JobStatus.COMPLETED
    assert bench.requests == 60
    bench.assert_limit_kept()
    bench.assert_candles_are_true()
