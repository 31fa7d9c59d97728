"""Workbench: a folder, a simulated exchange and a settings file, gone when the benchmark is over."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from actors.settings.model import Settings
from actors.settings.state_folder import STATE_FOLDER_VARIABLE
from actors.wiring import simulated_exchange
from adapters.simulator import SimulatorProcess

FIRST_DAY = datetime(2015, 1, 1, tzinfo=UTC)

WORKER = "worker-"
"""The beginning of a running worker's process title: Ray shows the name of the task there."""


@dataclass(frozen=True, slots=True)
class Workbench:
    """The folder, exchange and settings of one measurement."""

    folder: Path
    exchange: SimulatorProcess

    def settings(self, symbols: Sequence[str], limits: Sequence[str], days: int, **job: int) -> Settings:
        """Settings for that many daily candles of these symbols, from FIRST_DAY on."""
        span = {"start": FIRST_DAY, "end": FIRST_DAY + timedelta(days=days)}
        values = {
            "broker": {"gateway": "binance", "base_url": self.exchange.base_url, "limits": list(limits)},
            "job": {"symbols": list(symbols), "interval": "1d", **span, **job},
            "storage": {"root": str(self.folder / "data")},
        }
        return Settings.from_values(values, self.folder / "candles.toml")


@contextmanager
def workbench(exchange_options: Sequence[str]) -> Iterator[Workbench]:
    """A fresh workbench; permit records lie in its folder while it stands."""
    with temporary_state() as folder, simulated_exchange(exchange_options) as exchange:
        yield Workbench(folder, exchange)


@contextmanager
def temporary_state() -> Iterator[Path]:
    """A folder, gone at the end, with permit records of its own."""
    with tempfile.TemporaryDirectory(prefix="candles-bench-") as name:
        before = os.environ.get(STATE_FOLDER_VARIABLE)
        os.environ[STATE_FOLDER_VARIABLE] = str(Path(name) / "state")
        try:
            yield Path(name)
        finally:
            if before is None:
                del os.environ[STATE_FOLDER_VARIABLE]
            else:
                os.environ[STATE_FOLDER_VARIABLE] = before


def symbols(count: int, prefix: str = "BENCH") -> list[str]:
    """Names that the exchange has generated candles for."""
    return [f"{prefix}{number:05d}" for number in range(count)]


def actor_processes(actor: str, job_id: str = "") -> list[psutil.Process]:
    """The processes of this driver's actors whose title begins with `actor`; those of one job, or of all."""
    titles = [(process, _title(process)) for process in psutil.Process().children(recursive=True)]
    return [process for process, title in titles if title.startswith(f"ray::{actor}") and job_id in title]


def wait_until(is_so: Callable[[], bool], what: str, timeout_seconds: float = 30.0) -> None:
    """Poll every 50 ms until it is so; raises TimeoutError after the timeout."""
    give_up_at = time.monotonic() + timeout_seconds
    while not is_so():
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"not within {timeout_seconds:.0f} s: {what}")
        time.sleep(0.05)


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
