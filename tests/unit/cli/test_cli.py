"""The command line: what it calls, what it prints, and what it exits with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from actors.cli.foreground import StopSignals
from actors.cli.main import commands
from actors.cli.support import App
from actors.settings.model import Settings
from actors.settings.signature import signed
from domain.errors import EventStoreUnavailable, LimiterUnavailable
from domain.jobs.status import JobStatus
from tests.unit.cli.cli_fakes import RUNNING, FakeHandle, FakeService, ended

JOB = RUNNING.job_id
GOING_ON = [RUNNING, RUNNING, RUNNING, ended(JobStatus.COMPLETED)]
"""A job that would complete if nobody stopped it."""
Run = Callable[..., Result]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "candles.toml"
    path.write_text(
        '[broker]\ngateway = "binance"\n[storage]\nroot = "data"\n'
        '[job]\nsymbols = ["BTCUSDT"]\ninterval = "1d"\nstart = 2024-03-01\n'
    )
    return path


@pytest.fixture
def run(path: Path) -> Run:
    def run(service: FakeService, *arguments: str) -> Result:
        app = App(service.opened, program="candles")  # type: ignore[arg-type]
        environment = {"CANDLES_SETTINGS": str(path)}
        return CliRunner().invoke(commands, arguments, obj=app, env=environment, catch_exceptions=False)

    return run


def interrupted() -> FakeHandle:
    return FakeHandle(GOING_ON, between=lambda: signal.raise_signal(signal.SIGINT))


@pytest.mark.parametrize(
    ("last", "code"),
    [
        (ended(JobStatus.COMPLETED), 0),
        (ended(JobStatus.FAILED), 1),
        (ended(JobStatus.PAUSED), 3),
        (ended(JobStatus.COMPLETED, failed=2), 4),
        (ended(JobStatus.CANCELLED), 5),
        (replace(RUNNING, is_attended=False), 1),
    ],
)
@pytest.mark.parametrize("command", [["collect"], ["resume", JOB], ["retry", JOB]])
def test_what_runs_in_the_foreground_exits_by_the_state_in_which_the_job_ends(
    run: Run, command: list[str], last: object, code: int
) -> None:
    service = FakeService(FakeHandle([RUNNING, last]))  # type: ignore[list-item]
    assert run(service, *command).exit_code == code
    assert "submit" in service.calls
    assert service.is_closed


def test_collect_ends_with_the_summary_and_the_line_that_retries(run: Run, path: Path) -> None:
    result = run(FakeService(FakeHandle([RUNNING, ended(JobStatus.COMPLETED, failed=2)])), "collect")
    assert f"{JOB}: COMPLETED" in result.stdout
    assert "12 of 100 complete, 2 failed" in result.stdout
    assert result.stdout.endswith(f"candles retry {JOB} --settings {path}\n")


def test_collect_takes_the_file_as_argument_or_option_but_not_both(run: Run, tmp_path: Path, path: Path) -> None:
    other = path.rename(tmp_path / "other.toml")
    for arguments in (["collect", str(other)], ["collect", "--settings", str(other)]):
        service = FakeService(FakeHandle([ended(JobStatus.COMPLETED)]))
        assert run(service, *arguments).exit_code == 0
        assert service.settings == Settings.load(other)
    assert run(FakeService(), "collect", str(other), "--settings", str(other)).exit_code == 2


def test_collect_says_which_section_it_lacks(run: Run, path: Path) -> None:
    path.write_text('[storage]\nroot = "data"\n')
    result = run(FakeService(), "collect")
    assert result.exit_code == 2
    assert result.stderr == f"candles: {path}: this needs a section [broker], and there is none\n"


@pytest.mark.parametrize("command", [["collect"], ["resume", JOB], ["retry", JOB]])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_shuts_down_gracefully_and_prints_the_line_that_resumes(
    run: Run, path: Path, command: list[str], number: signal.Signals
) -> None:
    handle = FakeHandle(GOING_ON, between=lambda: signal.raise_signal(number))
    result = run(FakeService(handle), *command)
    assert handle.orders == ["shutdown"]
    assert handle.stopped_by == signed("Ctrl-C" if number is signal.SIGINT else number.name)
    assert result.exit_code == 3
    assert f"{JOB}: PAUSED (shutdown)" in result.stdout
    assert result.stdout.endswith(f"candles resume {JOB} --settings {path}\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_while_it_starts_is_not_lost(run: Run, number: signal.Signals) -> None:
    class SlowService(FakeService):
        def submit(self) -> FakeHandle:
            signal.raise_signal(number)
            return super().submit()

    handle = FakeHandle(GOING_ON)
    assert run(SlowService(handle), "collect").exit_code == 3
    assert handle.orders == ["shutdown"]
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & {number}


def test_the_second_interrupt_ends_at_once_and_the_handlers_of_before_come_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with StopSignals() as signals:
        signal.raise_signal(signal.SIGINT)
        assert signals.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_leaves_a_job_alone_that_another_process_runs(run: Run) -> None:
    handle = interrupted()
    result = run(FakeService(handle, elsewhere=True), "collect")
    assert handle.orders == []
    assert result.exit_code == 130
    assert result.stderr == f"job {JOB} goes on in the process that runs it\n"


def test_an_interrupt_of_watch_only_stops_watching(run: Run) -> None:
    handle = interrupted()
    assert run(FakeService(handle, attached=True), "watch", JOB).exit_code == 130
    assert handle.orders == []


def test_watch_exits_by_the_end_of_the_job_also_when_that_is_past(run: Run) -> None:
    running = FakeService(FakeHandle([RUNNING, ended(JobStatus.CANCELLED)]), attached=True)
    assert run(running, "watch", JOB).exit_code == 5
    assert run(FakeService(stored=ended(JobStatus.COMPLETED)), "watch", JOB).exit_code == 0


def test_collect_and_watch_write_json_lines_and_nothing_else_on_stdout(run: Run) -> None:
    for command in (["collect", "--json"], ["watch", JOB, "--json"]):
        service = FakeService(FakeHandle([RUNNING, ended(JobStatus.PAUSED)]), attached=True)
        lines = [json.loads(line) for line in run(service, *command).stdout.splitlines()]
        assert [line["status"] for line in lines] == ["RUNNING", "PAUSED"]


@pytest.mark.parametrize("command", [["pause", JOB], ["shutdown", JOB], ["watch", JOB]])
def test_what_needs_a_runner_says_that_there_is_none(run: Run, path: Path, command: list[str]) -> None:
    result = run(FakeService(stored=replace(RUNNING, is_attended=False)), *command)
    assert result.exit_code == 2
    assert result.stderr == (
        f"candles: nobody runs job {JOB}, which is RUNNING: `candles resume {JOB} --settings {path}` takes it up\n"
    )


def test_nobody_is_sent_to_resume_a_job_that_has_ended(run: Run) -> None:
    result = run(FakeService(stored=ended(JobStatus.COMPLETED)), "pause", JOB)
    assert result.stderr == f"candles: nobody runs job {JOB}, which is COMPLETED\n"


def test_pause_and_shutdown_reach_the_one_who_runs_the_job(run: Run) -> None:
    handle = FakeHandle([RUNNING])
    for arguments in (["pause", JOB], ["pause", JOB, "--now"], ["shutdown", JOB]):
        result = run(FakeService(handle, attached=True), *arguments)
        assert result.exit_code == 0
        assert "PAUSED" in result.stdout
    assert handle.orders == ["pause now=False", "pause now=True", "shutdown"]


def test_cancel_shows_the_job_and_refuses_one_that_has_ended(run: Run) -> None:
    assert "CANCELLED" in run(FakeService(), "cancel", JOB).stdout
    result = run(FakeService(stored=ended(JobStatus.COMPLETED)), "cancel", JOB)
    assert (result.exit_code, result.stderr) == (2, f"candles: job {JOB} is COMPLETED: it cannot cancel\n")


def test_jobs_is_a_table_or_a_list_of_objects(run: Run) -> None:
    text = run(FakeService(), "jobs").stdout.splitlines()
    assert text[0].split() == ["JOB", "STATUS", "SYMBOLS", "FAILED", "CANDLES", "STARTED"]
    assert text[1].split() == [JOB, "RUNNING", "12/100", "0", "12,345", "2024-03-01", "12:00:00Z"]
    listed = json.loads(run(FakeService(), "jobs", "--json").stdout)
    assert [job["job_id"] for job in listed] == [JOB]


def test_status_is_zero_whatever_the_state_and_has_json(run: Run) -> None:
    service = FakeService(stored=ended(JobStatus.FAILED))
    assert run(service, "status", JOB).exit_code == 0
    assert json.loads(run(service, "status", JOB[:12], "--json").stdout)["status"] == "FAILED"


def test_an_unknown_job_is_wrong_input(run: Run) -> None:
    result = run(FakeService(), "status", "kraken")
    assert result.exit_code == 2
    assert result.stderr == "candles: there is no job 'kraken' in this store: `candles jobs` lists what there is\n"


def test_history_shows_events_and_the_job_as_it_was(run: Run) -> None:
    service = FakeService()
    result = run(service, "history", JOB, "--at", "2024-03-01T14:00:00+02:00")
    assert result.stdout.startswith(
        "2024-03-01 12:00:00Z  created: 2 symbols, 1d of [1970-01-01T00:00:00Z, 1970-01-02T00:00:00Z)\n"
        "2024-03-01 12:00:00Z  started\n"
    )
    assert "as it was at 2024-03-01 12:00:00Z:" in result.stdout
    assert f"history {JOB} until=2024-03-01 12:00:00+00:00" in service.calls
    assert f"progress {JOB} at=2024-03-01 12:00:00+00:00" in service.calls
    as_json = json.loads(run(service, "history", JOB, "--json").stdout)
    assert as_json["progress"]["status"] == "RUNNING"
    assert (as_json["request"]["interval"], as_json["request"]["symbols"]) == ("1d", 2)
    assert [event["event"] for event in as_json["events"]] == ["Created", "Started"]
    assert as_json["events"][1]["details"] == {"epoch": 1}


@pytest.mark.parametrize("moment", ["2024-03-01T14:00:00", "yesterday"])
def test_a_moment_without_a_zone_is_refused_in_one_sentence(run: Run, moment: str) -> None:
    result = run(FakeService(), "history", JOB, "--at", moment)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"candles: --at: {moment}") or "is not a timestamp" in result.stderr
    assert result.stderr.count("\n") == 1


def test_export_passes_on_what_is_asked_and_lists_the_files(run: Run, tmp_path: Path) -> None:
    service = FakeService()
    out = str(tmp_path / "out")
    assert run(service, "export", "--out", out).stdout == f"{out}/a.parquet\n"
    assert json.loads(run(service, "export", JOB, "--format", "csv", "--out", out, "--json").stdout) == [f"{out}/a.csv"]
    run(service, "export", "--symbol", "A", "--symbol", "B", "--out", out)
    assert service.calls == [
        "export out parquet None []",
        f"export out csv {JOB} []",
        "export out parquet None ['A', 'B']",
    ]
    assert run(service, "export", JOB, "--symbol", "A", "--out", out).exit_code == 2
    assert run(service, "export", "--format", "xlsx", "--out", out).exit_code == 2
    assert run(service, "export").exit_code == 2


def test_init_writes_a_file_that_loads_and_keeps_one_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "new.toml"
    assert CliRunner().invoke(commands, ["init", str(path)]).exit_code == 0
    assert Settings.load(path).require_job().symbols
    path.write_text("mine")
    result = CliRunner().invoke(commands, ["init", str(path)])
    assert (result.exit_code, path.read_text()) == (2, "mine")
    assert result.stderr == f"candles: {path} exists already: --force overwrites it\n"
    assert CliRunner().invoke(commands, ["init", str(path), "--force"]).exit_code == 0
    assert CliRunner().invoke(commands, ["init", str(tmp_path / "no" / "x.toml")]).exit_code == 2


def test_troubles_that_are_not_the_users_are_one_sentence_and_exit_code_one(run: Run) -> None:
    class LimiterUnavailableFromAfar(LimiterUnavailable):
        cause = LimiterUnavailable("process 12 holds the account")

        def __str__(self) -> str:
            return "Traceback (most recent call last):\n  ..."

    errors: list[tuple[Exception, str]] = [
        (
            EventStoreUnavailable("jobs.sqlite", "it is locked"),
            "the event store jobs.sqlite cannot be used: it is locked",
        ),
        (LimiterUnavailableFromAfar("x"), "process 12 holds the account"),
        (ConnectionError("no cluster at here:1\nmore"), "no cluster at here:1"),
    ]
    for error, sentence in errors:

        class Failing(FakeService):
            def submit(self, error: Exception = error) -> FakeHandle:
                raise error

        result = run(Failing(), "collect")
        assert (result.exit_code, result.stderr) == (1, f"candles: {sentence}\n")


@pytest.mark.parametrize("arguments", [["--help"], ["jobs"], ["history", "x", "--at", "now"], ["collect", "none.toml"]])
def test_looking_and_wrong_input_never_import_ray(path: Path, arguments: list[str]) -> None:
    program = (
        "import sys\nfrom actors.cli.main import commands\n"
        "commands.main(sys.argv[1:], standalone_mode=False)\nassert 'ray' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "CANDLES_SETTINGS": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 2), done.stderr
    assert "Traceback" not in done.stderr


def test_a_storage_folder_that_cannot_be_made_is_one_sentence_with_its_path(path: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path.write_text(path.read_text().replace('root = "data"', 'root = "file/data"'))
    store = f"the event store {tmp_path}/file/data/jobs.sqlite cannot be used"
    result = CliRunner().invoke(commands, ["collect", str(path)])
    assert (result.exit_code, result.stderr) == (1, f"candles: {store}: {tmp_path}/file: File exists\n")


def test_it_can_be_run_as_a_module_and_knows_its_version() -> None:
    done = subprocess.run([sys.executable, "-m", "actors", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("candles, version ")
