"""A few trials of the crash matrix; `python -m benchmarks.crashes` has them all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.crash_mishaps import NotPermitted
from tests.cluster.crash_scenarios import SCENARIOS
from tests.cluster.crash_verdict import Verdict
from tests.cluster.kept_cluster import KeptCluster


def verdict(name: str, seed: int, folder: Path, cluster: KeptCluster | None = None) -> Verdict:
    try:
        return SCENARIOS[name].judge(name, seed, folder, cluster)
    except NotPermitted as error:
        pytest.skip(f"this machine does not let its user mount a small disk: {error}")


def test_a_job_completes_in_truth_through_faults_and_repeated_deaths_of_everyone(
    tmp_path: Path, kept: KeptCluster
) -> None:
    judged = verdict("noise and three kills", 2, tmp_path, kept)
    assert judged.problems == []
    assert judged.run.kills


def test_a_locked_store_and_a_full_disk_stop_a_job_which_says_so_and_loses_nothing(
    tmp_path: Path, kept: KeptCluster
) -> None:
    judged = verdict("store locked, then disk full", 1, tmp_path, kept)
    assert judged.problems == []
    interrupted, paused, still_full = judged.run.driver.stops
    assert "database is locked" in interrupted
    # The disk has no room for PAUSED either: the run ends with the sentence, the path, and what takes the job up again.
    assert f"the event store {judged.run.root}/jobs.sqlite cannot be used: database or disk is full" in paused
    assert "exit code 3" in paused
    assert "goes on: " in paused
    # Whichever asked the full disk for room first: the candles, the events, or the note of who runs the job.
    assert "cannot be used: " in still_full


def test_a_clock_set_back_in_mid_run_breaks_nothing_not_even_between_a_pause_and_its_resume(tmp_path: Path) -> None:
    assert verdict("clock set back", 1, tmp_path).problems == []
