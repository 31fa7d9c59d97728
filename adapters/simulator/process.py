"""SimulatorProcess: the simulated exchange as a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.request import urlopen

_START_SECONDS = 30.0
_STOP_SECONDS = 5.0
_PACKAGES_FOLDER = Path(__file__).resolve().parents[2]


class SimulatorProcess:
    """`with SimulatorProcess(["--limits", "15/1s"]) as simulator:` runs it until the block ends.

    It ends when this process does, even on a kill: its standard input closes then. It runs in a session of its own, so
    that its report can still be read after Ctrl-C here. `options` are those of `python -m adapters.simulator --help`.
    """

    def __init__(self, options: Sequence[str] = ()) -> None:
        self.base_url = ""
        self._options = list(options)
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> SimulatorProcess:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "adapters.simulator", "--until-stdin-closes", *self._options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_PACKAGES_FOLDER,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        first_line = self._process.stdout.readline()
        if not first_line:
            raise RuntimeError(f"the simulated exchange did not start: exit code {self._process.wait(_START_SECONDS)}")
        self.base_url = json.loads(first_line)["base_url"]
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    @property
    def process_id(self) -> int:
        assert self._process is not None
        return self._process.pid

    def report(self) -> dict[str, Any]:
        """The server's own count: requests, most_in_window, violations, ... See `ArrivalLog.report`."""
        return dict(self._get("/simulator/report"))

    def arrivals(self) -> list[dict[str, Any]]:
        """Every arrival in order, as JSON."""
        return list(self._get("/simulator/arrivals"))

    def symbols(self) -> dict[str, str]:
        """For every symbol served, "recorded" or "generated"."""
        return dict(self._get("/simulator/symbols"))

    def _get(self, path: str) -> Any:
        with urlopen(self.base_url + path, timeout=_START_SECONDS) as answer:
            return json.load(answer)
