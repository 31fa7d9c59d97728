"""Where progress is shown: a live bar on a terminal, plain lines or JSON lines anywhere else."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from actors.cli.text import progress as progress_text
from domain.jobs.progress import Progress
from domain.jobs.status import JobStatus

SILENCE_SECONDS = 1.8
"""Something is written at least this often, a little more often than the promised two seconds."""
SHORTEST_SECONDS = 1.0
REFRESHES_PER_SECOND = 4
_COLOURS = {
    JobStatus.RUNNING: "cyan",
    JobStatus.PAUSED: "yellow",
    JobStatus.COMPLETED: "green",
    JobStatus.FAILED: "red",
    JobStatus.CANCELLED: "red",
}


class Display(Protocol):
    """Shows the newest progress for as long as its context is open."""

    def show(self, progress: Progress) -> None:
        """Take in the newest snapshot."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def display_for(stream: TextIO, as_json: bool = False) -> Display:
    """What fits the stream: the live bar on a terminal, else lines; `as_json` makes every line an object."""
    if as_json:
        return LineDisplay(stream, lambda progress: json.dumps(progress.as_json()), waiting=None)
    console = Console(file=stream)
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveDisplay(console)
    return LineDisplay(stream, progress_text.progress_line)


class LineDisplay:
    """One line a change, at most one a second, and at least one every two seconds, changed or not.

    A thread of its own keeps the promise while the caller is busy, e.g. with starting Ray; `waiting` is what it writes
    before there is any progress, None for nothing.
    """

    def __init__(
        self,
        stream: TextIO,
        write_as: Callable[[Progress], str],
        waiting: str | None = "starting",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream, self._write_as, self._waiting, self._clock = stream, write_as, waiting, clock
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._keep_talking, name="display", daemon=True)
        self._progress: Progress | None = None
        self._began_at = self._written_at = clock()
        self._is_written = True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._thread.join()
        with self._lock:
            if not self._is_written and kind is None:
                self._write()

    def show(self, progress: Progress) -> None:
        """Show the newest snapshot; it is written now if the last line is old enough."""
        with self._lock:
            is_first = self._progress is None
            self._is_written = self._is_written and progress == self._progress
            self._progress = progress
            if is_first or (not self._is_written and self._silent_seconds() >= SHORTEST_SECONDS):
                self._write()

    def tick(self) -> None:
        """Write the latest snapshot again, if nothing was written for long."""
        with self._lock:
            if self._silent_seconds() >= SILENCE_SECONDS:
                self._write()

    def _silent_seconds(self) -> float:
        return self._clock() - self._written_at

    def _write(self) -> None:
        self._written_at = self._clock()
        self._is_written = True
        if self._progress is not None:
            line = self._write_as(self._progress)
        elif self._waiting is not None:
            line = f"{self._waiting} ({progress_text.duration_text(self._clock() - self._began_at)})"
        else:
            return
        self._stream.write(line + "\n")
        self._stream.flush()

    def _keep_talking(self) -> None:
        while not self._closed.wait(SILENCE_SECONDS / 10):
            self.tick()


class LiveDisplay:
    """The bar on a terminal: it is redrawn in place, and its spinner turns while nothing changes."""

    def __init__(self, console: Console) -> None:
        self._spinner = Spinner("dots")
        self._live = Live(
            self._render(None), console=console, refresh_per_second=REFRESHES_PER_SECOND, redirect_stderr=False
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, progress: Progress) -> None:
        """Draw the newest snapshot."""
        self._live.update(self._render(progress))

    def _render(self, progress: Progress | None) -> RenderableType:
        if progress is None:
            return Spinner("dots", text="starting")
        is_running = progress.status is JobStatus.RUNNING
        head = Table.grid(padding=(0, 1))
        head.add_row(self._spinner if is_running else " ", *_head(progress))
        return Group(head, picture(progress))


def picture(progress: Progress) -> RenderableType:
    """The bar of the work done, and below it symbols, candles, rate and the time left."""
    bar = Table.grid(padding=(0, 1), expand=False)
    bar.add_row(
        "  ",
        ProgressBar(total=1.0, completed=progress.share, width=50),
        f"{progress_text.share_text(progress):>4}",
        progress_text.pages_text(progress),
    )
    facts = [progress_text.symbols_text(progress), progress_text.candles_text(progress)]
    if progress.status is JobStatus.RUNNING:
        facts += [progress_text.rate_text(progress), progress_text.eta_text(progress)]
    return Group(bar, Text("   " + "  ·  ".join(facts)))


def _head(progress: Progress) -> tuple[Text, Text]:
    colour = _COLOURS.get(progress.status, "white")
    return Text(progress.job_id, style="bold"), Text(progress_text.state_text(progress), style=colour)
