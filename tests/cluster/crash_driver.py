"""The driver of a job on trial: `candles` on the command line, started again whenever it has ended too early."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.cluster.kept_cluster import TREE

PATIENCE_SECONDS = 90.0
MOST_RUNS = 15
COMPLETED, WRONG_INPUT, COMPLETED_WITH_FAILURES = 0, 2, 4


class Driver:
    """Collects, resumes or retries, whatever brings the job nearer to COMPLETED."""

    def __init__(self, settings: Path, state: Path) -> None:
        self.environment = {"CANDLES_SETTINGS": str(settings), "CANDLES_STATE_DIR": str(state)}
        self.is_completed = False
        self.stops: list[str] = []
        """What every run that ended by itself, short of COMPLETED, had to say."""
        self._settings = settings
        self._process: subprocess.Popen[str] | None = None
        self._runs = 0

    @property
    def process_id(self) -> int | None:
        """The process that runs now."""
        return self._process.pid if self._process else None

    def be_running(self) -> None:
        """Start a process unless one runs or the job is completed."""
        if self._process and self._process.poll() is not None:
            self.wait()
        if self._process is None and not self.is_completed:
            self._start()

    def wait(self) -> str:
        """Wait until the process has ended; returns its output."""
        assert self._process is not None
        out, err = self._process.communicate(timeout=PATIENCE_SECONDS)
        exit_code, said = self._process.returncode, (out + err).strip()
        self._process = None
        self.is_completed = exit_code == COMPLETED
        if exit_code >= 0 and not self.is_completed:
            self.stops.append(f"exit code {exit_code}: {said}")
        return said

    def interrupt(self) -> None:
        """Ctrl-C in its terminal."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run another `candles` command to its end, as from a second terminal."""
        return subprocess.run(
            [sys.executable, "-m", "actors", *words],
            cwd=TREE,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    def _start(self) -> None:
        self._runs += 1
        assert self._runs <= MOST_RUNS, f"not completed in {MOST_RUNS} runs: {self.stops}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "actors", *self._words()],
            cwd=TREE,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def _words(self) -> list[str]:
        last = self.stops[-1] if self.stops else ""
        if self._runs == 1 or last.startswith(f"exit code {WRONG_INPUT}"):
            return ["collect", str(self._settings)]
        # One job in the store: any beginning of its id names it.
        return ["retry" if last.startswith(f"exit code {COMPLETED_WITH_FAILURES}") else "resume", "binance"]

    def _environment(self) -> Mapping[str, str]:
        return os.environ | self.environment
