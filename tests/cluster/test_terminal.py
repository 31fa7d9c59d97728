"""The command line on real processes: Ctrl-C, exit codes, the second terminal, the driver script."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from actors.settings.signature import signed
from domain.jobs.status import JobStatus
from tests.cluster.collection_bench import family_of, same_session, still_there, until
from tests.cluster.conftest import Benches


def test_ctrl_c_pauses_says_how_to_go_on_and_leaves_no_process_behind(embedded: Benches) -> None:
    bench = embedded()
    bench.configure(symbols=90)
    collecting = bench.start("collect", str(bench.path))
    bench.until_requests(5)
    family = family_of(collecting)

    os.killpg(collecting.pid, signal.SIGINT)
    out, err = collecting.communicate(timeout=30)

    assert collecting.returncode == 3, err
    assert "Traceback" not in err
    until(lambda: not still_there([*family, *same_session(collecting.pid)]), "every process has ended")
    with bench.service() as service:
        (job,) = service.jobs()
    assert job.status is JobStatus.PAUSED
    assert f"resume {job.job_id} --settings {bench.path}" in out
    assert f"paused by {signed('Ctrl-C')}\n" in bench.run("history", job.job_id).stdout
    bench.assert_limit_kept()


def test_in_the_background_of_a_script_ctrl_c_is_not_for_the_job_and_sigterm_pauses_it(embedded: Benches) -> None:
    bench = embedded()
    bench.configure(symbols=90)
    background = ("sh", "-c", "trap '' INT; exec \"$@\"", "sh", sys.executable, "-m", "actors")
    collecting = bench.start("collect", str(bench.path), program=background)
    bench.until_requests(5)

    os.killpg(collecting.pid, signal.SIGINT)
    bench.until_requests(bench.requests + 20)
    collecting.terminate()
    _, err = collecting.communicate(timeout=30)

    assert collecting.returncode == 3, err
    (job,) = bench.stored_jobs()
    assert job.status is JobStatus.PAUSED
    told = bench.run("history", job.job_id).stdout
    assert f"started by {signed('candles collect')}\n" in told
    assert f"paused by {signed('SIGTERM')}\n" in told


def test_a_second_terminal_looks_on_pauses_and_ends_a_running_job(in_cluster: Benches) -> None:
    bench = in_cluster()
    bench.configure(symbols=500)
    collecting = bench.start("collect", str(bench.path))
    bench.until_requests(5)
    with bench.service() as service:
        (job,) = service.jobs()

    assert "RUNNING" in bench.run("status", job.job_id).stdout
    paused = bench.run("pause", job.job_id)
    assert (paused.returncode, "PAUSED" in paused.stdout) == (0, True), paused.stderr
    assert f"paused by {signed('candles pause')}\n" in bench.run("history", job.job_id).stdout
    asked = bench.requests
    assert collecting.poll() is None
    assert bench.requests == asked < 500
    ended = bench.run("shutdown", job.job_id)
    assert (ended.returncode, "PAUSED" in ended.stdout) == (0, True), ended.stderr
    collecting.communicate(timeout=30)
    assert collecting.returncode == 3
    lonely = bench.run("pause", job.job_id)
    assert lonely.returncode == 2
    assert "nobody runs job" in lonely.stderr


def test_too_many_failures_pause_with_exit_code_3_and_the_same_command_goes_on(in_cluster: Benches) -> None:
    unknown = [f"SIM{number:03}" for number in range(4)]
    bench = in_cluster("--unknown", *unknown)
    bench.configure(symbols=10, max_failures=2, batch_size=1, workers=1, concurrency=1)

    first = bench.run("collect", str(bench.path))
    assert first.returncode == 3, first.stdout + first.stderr
    assert "too_many_failures" in first.stdout
    assert "goes on: " in first.stdout
    asked = bench.requests

    # A fresh allowance: the two that have not failed yet may fail as well, and too many are no success in the end.
    second = bench.run("collect", str(bench.path))
    assert second.returncode in (1, 3), second.stdout + second.stderr
    assert bench.requests > asked
    bench.assert_limit_kept()


def test_failed_symbols_give_a_completed_job_exit_code_4(in_cluster: Benches) -> None:
    bench = in_cluster("--unknown", "SIM000")
    bench.configure(symbols=10)

    first = bench.run("collect", str(bench.path))
    assert first.returncode == 4, first.stdout + first.stderr
    assert "SIM000" in first.stdout
    asked = bench.requests
    with bench.service() as service:
        (job,) = service.jobs()
    retried = bench.run("retry", job.job_id)
    assert retried.returncode == 4, retried.stdout + retried.stderr
    assert bench.requests == asked + 1
    bench.assert_candles_are_true(bench.symbols[1:])


@pytest.mark.parametrize(
    ("words", "said"),
    [(["collect", "nowhere.toml"], "nowhere.toml"), (["status", "no-such-job"], "no store in")],
)
def test_wrong_input_is_one_sentence_and_exit_code_2(embedded: Benches, words: list[str], said: str) -> None:
    result = embedded().run(*words)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert said in result.stderr
