"""Follows a job to its end in the foreground: the display, Ctrl-C and SIGTERM, the summary, the exit code."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

from actors.cli.display import Display, display_for
from actors.cli.support import App
from actors.cli.text.progress import summary
from actors.exit_codes import ExitCode
from actors.settings.model import Settings
from actors.settings.signature import signed
from domain.jobs.progress import Progress
from domain.jobs.status import JobStatus

if TYPE_CHECKING:
    from actors.cluster.handles import JobHandle
    from actors.service import CollectionService
    from actors.use_cases.finished_job import FinishedJob

POLL_SECONDS = 0.2
"""The latest time after a signal at which it is noticed, well inside the second in which PAUSED is promised."""

STANDARD_ERROR = 2
_NAMES: dict[int, str] = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}
STOPPING = b"\nstopping; once more ends it at once\n"


class StopSignals:
    """The first Ctrl-C or SIGTERM asks to stop; the second interrupts at once.

    `name` tells which it was. A signal that was ignored before stays ignored: a shell starts background jobs that way,
    and Ctrl-C is for the foreground program. Call `install` again after a library has installed its own handlers, as
    Ray does when it starts.
    """

    def __init__(self) -> None:
        self.requested = False
        self.name = ""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        handlers = {number: signal.getsignal(number) for number in _NAMES}
        self._before = {number: handler for number, handler in handlers.items() if handler is not signal.SIG_IGN}
        self.install()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def install(self) -> None:
        """Put the handlers in place."""
        for number in self._before:
            signal.signal(number, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested, self.name = True, _NAMES[number]
        os.write(STANDARD_ERROR, STOPPING)


def run_in_foreground(
    app: App, chosen: Settings, begin: Callable[[CollectionService], JobHandle | FinishedJob], as_json: bool
) -> int:
    """Begin a job, or join it, and follow it to its end; returns the exit code.

    The first Ctrl-C or SIGTERM shuts the job down gracefully, or only stops watching where another process runs it.
    """
    with StopSignals() as signals, app.open_service(chosen) as service:
        with display_for(sys.stdout, as_json) as display:
            handle = _begin(begin, service)
            signals.install()
            first = handle.progress()
            is_elsewhere = first.is_attended and not service.runs(handle.job_id)
            progress = follow(handle, display, lambda: signals.requested)
            is_left = progress.is_attended and is_elsewhere
            if progress.is_attended and not is_left:
                progress = _shut_down(service, progress, signed(signals.name))
                display.show(progress)
        if is_left:
            click.echo(f"job {progress.job_id} goes on in the process that runs it", err=True)
            return ExitCode.INTERRUPTED
        conclude(app, chosen, progress, as_json)
        return ExitCode.of(progress)


def follow(handle: JobHandle | FinishedJob, display: Display, must_stop: Callable[[], bool]) -> Progress:
    """Show a job until no process runs it, or until `must_stop`; returns its last progress.

    A job that is paused but attended may go on at any moment: it is waited for.
    """
    for progress in handle.watch(POLL_SECONDS):
        display.show(progress)
        if must_stop():
            break
    return progress


def _begin(
    begin: Callable[[CollectionService], JobHandle | FinishedJob], service: CollectionService
) -> JobHandle | FinishedJob:
    try:
        return begin(service)
    except SystemExit as error:
        # While Ray starts, it handles SIGTERM itself and exits with the signal's number as the code.
        raise KeyboardInterrupt from error


def _shut_down(service: CollectionService, progress: Progress, by: str) -> Progress:
    handle = service.attach(progress.job_id)
    return handle.shutdown(by) if handle else service.progress(progress.job_id)


def conclude(app: App, chosen: Settings, progress: Progress, as_json: bool) -> None:
    """Write the summary and the command that goes on from here; with `as_json` only that command, on stderr."""
    if not as_json:
        for line in summary(progress):
            click.echo(line)
    command = _next_command(progress)
    if command:
        line = app.command_line(command, progress.job_id, chosen)
        what = "goes on" if command == "resume" else "collects only the failed symbols again"
        click.echo(f"{what}: {line}", err=as_json)


def _next_command(progress: Progress) -> str:
    if progress.status in (JobStatus.COMPLETED, JobStatus.FAILED):
        return "retry" if progress.symbols_failed or progress.status is JobStatus.FAILED else ""
    return "" if progress.status is JobStatus.CANCELLED else "resume"
