"""Follows a job to its end in the foreground: the display, the signals that stop it, the summary, the exit code."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

from actors.cli.display import Display, display_for
from actors.cli.support import App
from actors.cli.text.progress import summary
from actors.cluster.signals import ENDING
from actors.exit_codes import ExitCode, sentence_of
from actors.settings.model import Settings
from actors.settings.signature import signed
from actors.standard_streams import tell_at_once
from domain.errors import EventStoreUnavailable
from domain.jobs.progress import Progress
from domain.jobs.status import JobStatus

if TYPE_CHECKING:
    from actors.cluster.handles import JobHandle
    from actors.service import CollectionService
    from actors.use_cases.finished_job import FinishedJob

POLL_SECONDS = 0.2
"""The latest time after a signal at which it is noticed, well inside the second in which PAUSED is promised."""

_NAMES: dict[int, str] = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP"}
STOPPING = b"\nstopping; once more ends it at once\n"


class StopSignals:
    """The first Ctrl-C, SIGTERM or SIGHUP asks to stop; the second interrupts at once. `name` tells which it was.

    A signal that was ignored before stays ignored: a shell starts background jobs that way, for Ctrl-C is for the
    foreground program, and nohup means that a closed terminal, SIGHUP, does not concern the job. The kernel and the
    shell both send SIGHUP when a terminal closes, and systemd sends it right after SIGTERM: it never counts as the
    second signal. Until `listen`, SIGTERM and SIGHUP wait, and the threads that are started have them blocked: see
    `signals_kept`.
    """

    def __init__(self) -> None:
        self.requested = False
        self.name = ""
        self._before: dict[int, Any] = {}
        self._mask: set[int] = set()

    def __enter__(self) -> Self:
        handlers = {number: signal.getsignal(number) for number in _NAMES}
        self._before = {number: handler for number, handler in handlers.items() if handler is not signal.SIG_IGN}
        for number in self._before:
            signal.signal(number, self._stop)
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.listen()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def listen(self) -> None:
        """Take SIGTERM and SIGHUP from now on, those included that came before."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self.requested and number == signal.SIGHUP:
            return
        if self.requested:
            raise KeyboardInterrupt
        self.requested, self.name = True, _NAMES[number]
        tell_at_once(STOPPING)


def run_in_foreground(
    app: App, chosen: Settings, begin: Callable[[CollectionService], JobHandle | FinishedJob], as_json: bool
) -> int:
    """Begin a job, or join it, and follow it to its end; returns the exit code.

    The first signal shuts the job down gracefully, or only stops watching where another process runs it. A signal
    that comes while the job is begun takes effect as soon as it has.
    """
    with StopSignals() as signals, app.open_service(chosen) as service:
        with display_for(sys.stdout, as_json) as display:
            handle = begin(service)
            signals.listen()
            first = handle.progress()
            is_elsewhere = first.is_attended and not service.runs(handle.job_id)
            try:
                progress = follow(handle, display, lambda: signals.requested)
                is_left = progress.is_attended and is_elsewhere
                if progress.is_attended and not is_left:
                    progress = _shut_down(service, progress, signed(signals.name))
                    display.show(progress)
            except EventStoreUnavailable as error:
                return _not_stored(app, chosen, handle.job_id, error)
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


def _shut_down(service: CollectionService, progress: Progress, by: str) -> Progress:
    handle = service.attach(progress.job_id)
    return handle.shutdown(by) if handle else service.progress(progress.job_id)


def _not_stored(app: App, chosen: Settings, job_id: str, error: EventStoreUnavailable) -> int:
    """The run is over and its end could not be stored: all that was stored before counts when the job is resumed."""
    click.echo(f"candles: {sentence_of(error)}", err=True)
    click.echo(f"goes on: {app.command_line('resume', job_id, chosen)}", err=True)
    return ExitCode.PAUSED


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
