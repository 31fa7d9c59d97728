"""Silent truncation, damage on disk and their repair, on real Ray and real HTTP."""

from __future__ import annotations

import json

from domain.jobs.status import JobStatus
from tests.cluster.conftest import Benches


def test_what_is_damaged_or_gone_is_found_repaired_and_proven_to_be_what_it_was(in_cluster: Benches) -> None:
    bench = in_cluster("--fault", "first_bars,symbol=SIM001,bars=200,times=1")
    bench.configure(symbols=6)
    with bench.service() as service:
        job = service.submit().wait()
    # The truncated answer cost two requests more: the one that found it out, and the page again.
    assert (job.status, job.symbols_completed, job.requests) == (JobStatus.COMPLETED, 6, 8)
    whole = bench.run("verify", job.job_id, "--json")
    assert whole.returncode == 0, whole.stdout + whole.stderr

    damaged, gone = sorted((bench.folder / "data").rglob("*.candles"))[2:4]
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    gone.unlink()
    found = bench.run("verify", str(bench.folder / "data"))
    assert found.returncode == 1
    assert str(damaged) in found.stdout

    repaired = bench.run("gaps", job.job_id, "--repair")
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    assert f"set aside: {damaged}" in repaired.stdout
    assert "6 of 6 datasets are complete" in repaired.stdout
    assert bench.requests == 8 + 2

    again = bench.run("verify", job.job_id, "--json")
    assert again.returncode == 0, again.stdout + again.stderr
    assert json.loads(again.stdout) == json.loads(whole.stdout)
    bench.assert_limit_kept()
    bench.assert_candles_are_true()
