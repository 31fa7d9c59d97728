"""Exit codes: what the command `candles` and driver scripts end with."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path

from actors.standard_streams import make_patient
from domain.errors import CollectorError, IllegalTransition, JobNotFound, SettingsError
from domain.jobs.progress import Progress
from domain.jobs.status import JobStatus

WRONG_INPUT_ERRORS = (SettingsError, JobNotFound, IllegalTransition)
EXPECTED_ERRORS = (CollectorError, ConnectionError, TimeoutError)
"""Expected errors of a run, which are no bugs: they are shown as one sentence."""


class ExitCode(IntEnum):
    """The exit code of a program that has followed a job to its end."""

    COMPLETED = 0
    FAILED = 1
    WRONG_INPUT = 2
    PAUSED = 3
    COMPLETED_WITH_FAILURES = 4
    CANCELLED = 5
    INTERRUPTED = 130
    """What shells expect from a program that Ctrl-C ended."""

    @classmethod
    def of(cls, outcome: Progress | BaseException) -> ExitCode:
        """The code for a job as it stands now, or for the error that ended the program."""
        match outcome:
            case Progress(status=JobStatus.COMPLETED):
                return cls.COMPLETED_WITH_FAILURES if outcome.symbols_failed else cls.COMPLETED
            case Progress(status=JobStatus.PAUSED):
                return cls.PAUSED
            case Progress(status=JobStatus.CANCELLED):
                return cls.CANCELLED
            case KeyboardInterrupt():
                return cls.INTERRUPTED
        return cls.WRONG_INPUT if isinstance(original(outcome), WRONG_INPUT_ERRORS) else cls.FAILED


def original(outcome: object) -> object:
    """The error itself; its cause where it crossed Ray, whose error text is a traceback."""
    cause = getattr(outcome, "cause", None)
    return cause if isinstance(cause, CollectorError) else outcome


def sentence_of(error: BaseException) -> str:
    """The text of an expected error, in one line."""
    return (str(original(error)).strip() or type(error).__name__).splitlines()[0]


def run_driver(work: Callable[[], Progress]) -> ExitCode:
    """Do the work of a driver script; returns the code to exit with, as `candles` would.

    Wrong input and expected errors are one sentence on standard error instead of a traceback. A standard output or
    error that cannot be written ends nothing.
    """
    make_patient()
    try:
        return ExitCode.of(work())
    except EXPECTED_ERRORS as error:
        sys.stderr.write(f"{Path(sys.argv[0]).name}: {sentence_of(error)}\n")
        return ExitCode.of(error)
    except KeyboardInterrupt as error:
        return ExitCode.of(error)
