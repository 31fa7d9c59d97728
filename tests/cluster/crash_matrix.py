"""Trials by crash: a job over real HTTP, and what happens to it at moments that a seed has chosen.

A trial is a list of steps. Each waits until the exchange has seen so many requests and then does its
worst: kills processes, fills the disk, locks the store, sets the clock back. Whatever ends the driver,
the job is resumed, until it is COMPLETED. `crash_verdict` judges what is left.

The seed repeats the plan (who, after how many requests, how much later), not the exact moment: that
is up to the machine.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import psutil

from adapters.simulator import SimulatorProcess
from tests.cluster.kept_cluster import TREE, KeptCluster

PATIENCE_SECONDS = 90.0
MOST_RUNS = 15
COMPLETED, WRONG_INPUT, COMPLETED_WITH_FAILURES = 0, 2, 4
WORKERS, CONCURRENCY, BATCH_SIZE = 2, 3, 3
MOST_IN_FLIGHT = WORKERS * CONCURRENCY
"""Pages."""

_SETTINGS = """
[broker]
gateway = "binance"
base_url = "{base_url}"
account = "{account}"
limits = ["{limit}"]
timeout_seconds = 4
[job]
symbols = {symbols}
interval = "1h"
start = 2020-01-01
end = 2020-07-01
workers = {workers}
batch_size = {batch_size}
concurrency = {concurrency}
[storage]
root = "{root}"
[cluster]
address = "{address}"
"""
PAGES_PER_SYMBOL = 5
"""182 days of hours."""


class Victim(StrEnum):
    """Who is killed."""

    WORKER = "worker"
    LIMITER = "limiter"
    COORDINATOR = "coordinator"
    DRIVER = "driver"
    EVERYTHING = "everything"

    @property
    def pages_in_flight(self) -> int:
        """How many pages it can take with it: asked for, and not on disk."""
        return {Victim.WORKER: CONCURRENCY, Victim.LIMITER: 0}.get(self, MOST_IN_FLIGHT)


_TITLES = {
    Victim.WORKER: "ray::worker-",
    Victim.LIMITER: "ray::RateLimiter",
    Victim.COORDINATOR: "ray::JobCoordinator",
}


@dataclass(frozen=True)
class Trial:
    """What a job has to live through; the same seed makes the same plan."""

    name: str
    seed: int
    steps: tuple[Step, ...] = ()
    faults: tuple[str, ...] = ()
    symbols: int = 12
    limit: str = "30/3s"
    """A window longer than the restart of a limiter: one that forgot what was sent is caught."""

    @property
    def pages(self) -> int:
        """How many requests the job takes when nothing happens."""
        return self.symbols * PAGES_PER_SYMBOL


class Step(Protocol):
    """Something that happens to a run."""

    def happen(self, run: TrialRun) -> None: ...


@dataclass(frozen=True)
class Kill:
    """kill -9, once the exchange has seen so many requests, and a little later still."""

    victim: Victim
    after_requests: int
    delay_seconds: float = 0.0

    def happen(self, run: TrialRun) -> None:
        """Kill, if the job has not been completed by then."""
        if run.reaches(self.after_requests):
            time.sleep(self.delay_seconds)
            run.kill(self.victim)


def random_kills(seed: int, victims: Sequence[Victim], count: int, pages: int = 60) -> tuple[Kill, ...]:
    """So many kills, spread at random over the job; some fall into the restart after the one before."""
    dice = random.Random(seed)
    moments = sorted(dice.randrange(1, pages - 2) for _ in range(count))
    return tuple(Kill(dice.choice(list(victims)), moment, dice.uniform(0.0, 0.4)) for moment in moments)


@dataclass
class TrialRun:
    """A trial under way: the exchange, the driver's process, and the record of what was done to it."""

    trial: Trial
    folder: Path
    simulator: SimulatorProcess
    cluster: KeptCluster | None = None
    """Where the job runs; None: every driver brings a Ray of its own."""
    environment: dict[str, str] = field(default_factory=dict)
    kills: list[Victim] = field(default_factory=list)
    stops: list[str] = field(default_factory=list)
    """What every run that ended by itself, short of COMPLETED, had to say."""
    repeatable_pages: int = 0
    """Pages that were in flight at a kill or a stop, at most."""
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.root = self.folder / "data"
        self.state = self.folder / "state"
        self.path = self.folder / "candles.toml"
        self.symbols = [f"T{self.trial.seed}S{number:03}" for number in range(self.trial.symbols)]
        self._driver: subprocess.Popen[str] | None = None
        self._runs = 0
        self.is_completed = False

    def play(self) -> None:
        """Everything the trial has in store, then on to COMPLETED."""
        self._write_settings()
        began_at = time.monotonic()
        try:
            for step in self.trial.steps:
                step.happen(self)
            while not self.is_completed:
                self.await_driver()
        finally:
            self._end_everything()
        self.seconds = time.monotonic() - began_at

    @property
    def requests(self) -> int:
        """How many requests the exchange has seen."""
        return int(self.simulator.report()["requests"])

    def reaches(self, requests: int) -> bool:
        """Wait until the exchange has seen so many requests; False when the job was completed before."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.requests < requests:
            assert time.monotonic() < deadline, f"{self.requests} of {requests} requests: {self.stops}"
            self._be_running()
            if self.is_completed:
                return False
            time.sleep(0.01)
        self._be_running()
        return not self.is_completed

    def kill(self, victim: Victim) -> None:
        """kill -9 of one process, of the driver, or of the driver with all that belongs to the job."""
        doomed = self._processes(victim)
        if not doomed:
            return
        others = [process for process in doomed if not self._driver or process.pid != self._driver.pid]
        for process in doomed:
            _kill(process)
        # Not the driver: psutil would take its exit code away from the one who asks for it later.
        psutil.wait_procs(others, timeout=10)
        self.kills.append(victim)
        self.repeatable_pages += victim.pages_in_flight

    def await_driver(self) -> str:
        """Wait until the driver has ended, take up what is left, and return what it said."""
        self._be_running()
        driver = self._driver
        if driver is None:
            return ""
        out, err = driver.communicate(timeout=PATIENCE_SECONDS)
        self._note_end(driver.returncode, out + err)
        return out + err

    def interrupt(self) -> None:
        """Ctrl-C in the driver's terminal."""
        self._be_running()
        if self._driver:
            self._driver.send_signal(signal.SIGINT)

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

    def _be_running(self) -> None:
        """See to it that a driver runs, unless the job is completed."""
        if self._driver and self._driver.poll() is not None:
            out, err = self._driver.communicate()
            self._note_end(self._driver.returncode, out + err)
        if self._driver is None and not self.is_completed:
            self._start()

    def _note_end(self, exit_code: int, said: str) -> None:

        self._driver = None
        self.is_completed = exit_code == COMPLETED
        if exit_code >= 0 and not self.is_completed:
            self.stops.append(f"exit code {exit_code}: {said.strip()}")
            self.repeatable_pages += MOST_IN_FLIGHT

    def _start(self) -> None:
        self._runs += 1
        assert self._runs <= MOST_RUNS, f"not completed in {MOST_RUNS} runs: {self.stops}"
        last = self.stops[-1] if self.stops else ""
        words = ["resume", "binance"]
        if self._runs == 1 or last.startswith(f"exit code {WRONG_INPUT}"):
            words = ["collect", str(self.path)]
        elif last.startswith(f"exit code {COMPLETED_WITH_FAILURES}"):
            words = ["retry", "binance"]
        self._driver = subprocess.Popen(
            [sys.executable, "-m", "actors", *words],
            cwd=TREE,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def _environment(self) -> dict[str, str]:
        own = {"CANDLES_SETTINGS": str(self.path), "CANDLES_STATE_DIR": str(self.state)}
        return os.environ | own | self.environment

    def _write_settings(self) -> None:
        self.path.write_text(
            _SETTINGS.format(
                base_url=self.simulator.base_url,
                account=f"{self.trial.name}-{self.trial.seed}",
                limit=self.trial.limit,
                symbols=json.dumps(self.symbols),
                workers=WORKERS,
                batch_size=BATCH_SIZE,
                concurrency=CONCURRENCY,
                root=self.root,
                address=self.cluster.address if self.cluster else "embedded",
            )
        )

    def _processes(self, victim: Victim) -> list[psutil.Process]:
        driver = psutil.Process(self._driver.pid) if self._driver else None
        if victim is Victim.DRIVER:
            return [driver] if driver else []
        top = psutil.Process(self.cluster.process_id) if self.cluster else driver
        below = top.children(recursive=True) if top else []
        if victim is not Victim.EVERYTHING:
            return [process for process in below if self._is(victim, process)][:1]
        if self.cluster:
            below = [process for process in below if any(self._is(actor, process) for actor in _TITLES)]
        return [*([driver] if driver else []), *below]

    def _is(self, victim: Victim, process: psutil.Process) -> bool:
        """A kept cluster has the limiters of other runs, too: ours has its record open."""
        try:
            has_title = " ".join(process.cmdline()).startswith(_TITLES[victim])
            if victim is not Victim.LIMITER or not has_title:
                return has_title
            return any(Path(file.path).is_relative_to(self.state) for file in process.open_files())
        except psutil.Error:
            return False

    def _end_everything(self) -> None:
        if self._driver:
            for process in self._processes(Victim.EVERYTHING):
                _kill(process)
            self._driver.communicate(timeout=PATIENCE_SECONDS)


@contextmanager
def trial_run(trial: Trial, folder: Path, cluster: KeptCluster | None = None) -> Iterator[TrialRun]:
    """A run of the trial in that folder, with its exchange."""
    options = ["--limits", trial.limit, "--uplink-ms", "15", "--downlink-ms", "15", "--jitter", "1.0"]
    options += ["--seed", str(trial.seed), *(word for fault in trial.faults for word in ("--fault", fault))]
    with SimulatorProcess(options) as simulator:
        yield TrialRun(trial, folder, simulator, cluster)


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return
