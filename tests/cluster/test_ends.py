"""Ends that are not Ctrl-C, on real processes: closed terminals and pipes, full devices, a start cut short, no head."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.settings.signature import signed
from adapters.permit_store.operator_pause import OperatorPauseFile
from adapters.permit_store.ownership_files import AccountOwnershipFiles
from domain.jobs.status import JobStatus
from tests.cluster.collection_bench import CollectionBench, family_of, kill_all, same_session, still_there, until
from tests.cluster.conftest import Benches

CANDLES = (sys.executable, "-m", "actors")
LONGEST_SECONDS = 10
"""In which every command says that no cluster is there."""


def in_shell(line: str) -> tuple[str, ...]:
    """A program that runs `candles WORDS` as "$@" in a line of shell."""
    return ("bash", "-c", line, "bash", *CANDLES)


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of a terminal; the test closes the first, which is what closing its window does."""
    window, program = pty.openpty()
    yield window, program
    os.close(program)


def in_terminal(bench: CollectionBench, terminal: int, *words: str) -> subprocess.Popen[str]:
    """Start `candles` as the leader of a session whose terminal this is, as its window does."""
    process = subprocess.Popen(
        ["bash", "-c", 'exec "$@" <"$0" >"$0" 2>&1', os.ttyname(terminal), *CANDLES, *words],
        env=os.environ | {"CANDLES_SETTINGS": str(bench.path), "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    bench.started.append(process)
    return process


def test_whoever_closes_the_terminal_leaves_a_paused_job_and_no_process(
    embedded: Benches, terminal: tuple[int, int]
) -> None:
    bench = embedded()
    bench.configure(symbols=90)
    window, program = terminal
    collecting = in_terminal(bench, program, "collect", str(bench.path))
    bench.until_requests(5)
    family = family_of(collecting)

    # The kernel tells the leader of the session, and a shell then all the processes of its job.
    os.close(window)
    os.killpg(collecting.pid, signal.SIGHUP)

    assert collecting.wait(timeout=30) == 3
    asked = bench.requests
    until(lambda: not still_there([*family, *same_session(collecting.pid)]), "every process has ended")
    (job,) = bench.stored_jobs()
    assert (job.status, job.is_attended) == (JobStatus.PAUSED, False)
    assert f"paused by {signed('SIGHUP')}\n" in bench.run("history", job.job_id).stdout
    assert bench.requests == asked < 90
    bench.assert_limit_kept()


def test_under_nohup_a_closed_terminal_ends_nothing(embedded: Benches, terminal: tuple[int, int]) -> None:
    bench = embedded("--limits", "100/1s")
    bench.configure(symbols=60, limits=["100/1s"])
    window, program = terminal
    os.set_inheritable(program, True)
    line = f'trap "" HUP; exec "$@" >{os.ttyname(program)} 2>&1'
    collecting = bench.start("collect", str(bench.path), program=in_shell(line))
    bench.until_requests(5)

    os.close(window)
    os.killpg(collecting.pid, signal.SIGHUP)

    assert collecting.wait(timeout=60) == 0
    bench.assert_candles_are_true()


@pytest.mark.parametrize(
    "line",
    [
        '"$@" | head -1; exit ${PIPESTATUS[0]}',
        '"$@" >/dev/full',
        '"$@" 2>/dev/full',
        '"$@" --json 2>&1 | head -1; exit ${PIPESTATUS[0]}',
    ],
)
def test_output_that_cannot_be_written_ends_no_job_and_its_exit_code_is_the_jobs(
    in_cluster: Benches, line: str
) -> None:
    bench = in_cluster("--unknown", "SIM000")
    bench.configure(symbols=20)
    ended = bench.start("collect", str(bench.path), program=in_shell(line))
    out, err = ended.communicate(timeout=60)
    assert (ended.returncode, err) == (4, ""), out
    (job,) = bench.stored_jobs()
    assert (job.status, job.symbols_failed) == (JobStatus.COMPLETED, 1)
    bench.assert_candles_are_true(bench.symbols[1:])


def test_no_request_follows_the_pause_of_a_job_whose_reader_has_left(in_cluster: Benches) -> None:
    bench = in_cluster()
    bench.configure(symbols=200)
    collecting = bench.start("collect", str(bench.path), program=in_shell('"$@" | head -1; exit ${PIPESTATUS[0]}'))
    bench.until_requests(30)
    (program,) = (one for one in family_of(collecting) if one.cmdline()[:1] == [sys.executable])
    program.send_signal(signal.SIGTERM)
    out, err = collecting.communicate(timeout=30)
    assert collecting.returncode == 3, out + err
    asked = bench.requests
    (job,) = bench.stored_jobs()
    assert job.status is JobStatus.PAUSED
    assert json.loads(bench.run("status", job.job_id, "--json").stdout)["status"] == "PAUSED"
    assert bench.requests == asked < 200


@pytest.mark.parametrize(
    ("begun", "number"), [("gcs_server", signal.SIGTERM), ("raylet", signal.SIGHUP), ("ray::", signal.SIGTERM)]
)
def test_a_signal_while_ray_starts_writes_no_stack_and_leaves_a_paused_job(
    embedded: Benches, begun: str, number: signal.Signals
) -> None:
    bench = embedded()
    bench.configure(symbols=90)
    collecting = bench.start("collect", str(bench.path))
    until(lambda: any(begun in one for one in _titles(collecting)), f"there is a process {begun}")

    collecting.send_signal(number)
    out, err = collecting.communicate(timeout=30)

    assert (collecting.returncode, err) == (3, "\nstopping; once more ends it at once\n"), out
    until(lambda: not still_there(same_session(collecting.pid)), "every process has ended")
    (job,) = bench.stored_jobs()
    assert job.status is JobStatus.PAUSED
    assert f"paused by {signed(number.name)}\n" in bench.run("history", job.job_id).stdout


def _titles(process: subprocess.Popen[str]) -> list[str]:
    """How the processes of the family are called."""
    return [" ".join(Path(f"/proc/{one.pid}/cmdline").read_text().split("\0")) for one in family_of(process)]


def test_a_job_whose_process_was_killed_is_not_shown_as_one_that_runs(embedded: Benches) -> None:
    bench = embedded()
    bench.configure(symbols=200)
    collecting = bench.start("collect", str(bench.path))
    bench.until_requests(5)
    (running,) = json.loads(bench.run("jobs", "--json").stdout)
    assert (running["status"], running["is_attended"]) == ("RUNNING", True)

    kill_all(family_of(collecting))

    (orphan,) = json.loads(bench.run("jobs", "--json").stdout)
    job_id = orphan["job_id"]
    assert (orphan["status"], orphan["is_attended"]) == ("RUNNING", False)
    assert json.loads(bench.run("status", job_id, "--json").stdout)["is_attended"] is False
    sentence = f"RUNNING, but nobody runs it: `candles resume {job_id}` takes it up"
    listed = bench.run("jobs").stdout
    assert "  RUNNING, but nobody runs it  " in listed
    assert listed.endswith("`candles resume JOB` takes up what nobody runs\n")
    assert f"{job_id}: {sentence}\n" in bench.run("status", job_id).stdout


@pytest.fixture
def without_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine where no cluster was announced; the returned file would announce one."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp" / "ray").mkdir(parents=True)
    return tmp_path / "tmp" / "ray" / "ray_current_cluster"


def test_where_no_head_answers_every_command_says_so_and_the_operators_pause_holds(
    in_cluster: Benches, without_cluster: Path
) -> None:
    without_cluster.write_text("127.0.0.1:9")
    bench = in_cluster()
    bench.address = "auto"
    bench.configure(symbols=20)
    switch = OperatorPauseFile(
        bench.folder / "state", "binance", bench.account, AccountOwnershipFiles(bench.folder / "state")
    )
    commands = [
        ("limiter", "pause", "binance"),
        ("limiter", "status", "binance"),
        ("limiter", "shutdown", "binance"),
        ("collect",),
    ]
    for words in commands:
        began = time.monotonic()
        ended = bench.run(*words)
        assert time.monotonic() - began < LONGEST_SECONDS, words
        assert ended.returncode == 1, (words, ended.stdout, ended.stderr)
        (sentence,) = ended.stderr.splitlines()
        assert sentence.startswith(f"candles: no Ray cluster answers at 127.0.0.1:9, which {without_cluster} names (")
        assert switch.is_paused()
    without_cluster.unlink()
    resumed = bench.run("limiter", "resume", "binance")
    assert resumed.stderr.startswith("candles: no Ray cluster runs on this machine: ")
    assert not switch.is_paused()


def test_a_long_tmpdir_is_no_obstacle(embedded: Benches, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = embedded("--limits", "100/1s")
    bench.configure(symbols=20, limits=["100/1s"])
    long = bench.folder / ("long" * 25) / ("longer" * 25)
    long.mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(long))
    ended = bench.run("collect", str(bench.path))
    assert (ended.returncode, ended.stderr) == (0, "")
    bench.assert_candles_are_true()
