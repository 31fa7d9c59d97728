"""Exit codes: the same for the command and for driver scripts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from actors.exit_codes import ExitCode, run_driver
from domain.errors import (
    IllegalTransition,
    JobNotFound,
    LimiterUnavailable,
    SettingsError,
    StorageUnavailable,
)
from domain.jobs.progress import Progress
from domain.jobs.status import JobStatus

RUNNING = Progress("binance-1d-2d35c4d0", JobStatus.RUNNING, "", 7, 10, 8, 0, 100, 80, 800, 0, 82)


class RemoteError(Exception):
    """As Ray wraps one: its own text is a traceback."""

    def __init__(self, cause: Exception) -> None:
        super().__init__("Traceback (most recent call last):\n  ...")
        self.cause = cause


@pytest.mark.parametrize(
    ("status", "failed", "code"),
    [
        (JobStatus.COMPLETED, 0, 0),
        (JobStatus.COMPLETED, 1, 4),
        (JobStatus.FAILED, 3, 1),
        (JobStatus.PAUSED, 0, 3),
        (JobStatus.PAUSED, 2, 3),
        (JobStatus.CANCELLED, 0, 5),
        (JobStatus.RUNNING, 0, 1),
    ],
)
def test_a_job_ends_with_the_code_of_its_status(status: JobStatus, failed: int, code: int) -> None:
    assert ExitCode.of(replace(RUNNING, status=status, symbols_failed=failed)) == code


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (SettingsError("settings: job is missing"), 2, "settings: job is missing"),
        (JobNotFound("x"), 2, "there is no job 'x' in this store: `candles jobs` lists what there is"),
        (IllegalTransition("x", "COMPLETED", "resume"), 2, "job x is COMPLETED: it cannot resume"),
        (LimiterUnavailable("the rate limiter has ended"), 1, "the rate limiter has ended"),
        (StorageUnavailable("/data", "no space left"), 1, "/data cannot be used: no space left"),
        (ConnectionError("no Ray cluster answers\nat all"), 1, "no Ray cluster answers"),
        (TimeoutError(), 1, "TimeoutError"),
    ],
)
def test_an_expected_error_is_one_sentence_and_its_code(
    error: Exception, code: int, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["/jobs/nightly.py"])

    def fail() -> Progress:
        raise error

    assert run_driver(fail) == code
    assert capsys.readouterr().err == f"nightly.py: {said}\n"


def test_an_error_that_crossed_ray_counts_as_its_cause() -> None:
    assert ExitCode.of(RemoteError(SettingsError("wrong"))) == 2
    assert ExitCode.of(RemoteError(ValueError("a bug"))) == 1


def test_ctrl_c_is_what_shells_expect_and_a_bug_keeps_its_traceback() -> None:
    def interrupted() -> Progress:
        raise KeyboardInterrupt

    def broken() -> Progress:
        raise ZeroDivisionError

    assert run_driver(interrupted) == 130
    with pytest.raises(ZeroDivisionError):
        run_driver(broken)


def test_a_job_that_ended_well_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_driver(lambda: replace(RUNNING, status=JobStatus.COMPLETED)) == 0
    assert capsys.readouterr().err == ""
