"""Crash trials: a job over real HTTP, and crashes at times that a seed has chosen.

A trial is a list of steps. Each waits until the exchange has seen so many requests and then kills processes, fills the
disk, locks the store or sets the clock back. Whenever the driver ends, the job is resumed, until it is COMPLETED.
`crash_verdict` judges what is left.

The seed repeats the plan (who, after how many requests, how much later), not the exact moment: that
is up to the machine.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import psutil

from adapters.simulator import SimulatorProcess
from tests.cluster.crash_driver import PATIENCE_SECONDS, Driver
from tests.cluster.kept_cluster import KeptCluster

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
    """The process that is killed."""

    WORKER = "worker"
    LIMITER = "limiter"
    COORDINATOR = "coordinator"
    DRIVER = "driver"
    EVERYTHING = "everything"

    @property
    def pages_in_flight(self) -> int:
        """How many pages are lost with it at most: requested, and not on disk."""
        return {Victim.WORKER: CONCURRENCY, Victim.LIMITER: 0}.get(self, MOST_IN_FLIGHT)


_TITLES = {
    Victim.WORKER: "ray::worker-",
    Victim.LIMITER: "ray::RateLimiter",
    Victim.COORDINATOR: "ray::JobCoordinator",
}


@dataclass(frozen=True)
class Trial:
    """What a job has to survive; the same seed makes the same plan."""

    name: str
    seed: int
    steps: tuple[Step, ...] = ()
    faults: tuple[str, ...] = ()
    symbols: int = 12
    limit: str = "30/3s"
    """A window longer than the restart of a limiter: one that forgot what was sent is caught."""

    @property
    def pages(self) -> int:
        """How many requests the job makes without a crash."""
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


def random_kills(seed: int, victims: Sequence[Victim], count: int, pages: int) -> tuple[Kill, ...]:
    """So many kills, spread at random over the job; some fall into the restart after the one before."""
    dice = random.Random(seed)
    moments = sorted(dice.randrange(1, pages - 2) for _ in range(count))
    return tuple(Kill(dice.choice(list(victims)), moment, dice.uniform(0.0, 0.4)) for moment in moments)


class TrialRun:
    """A trial under way: the exchange, the driver, and the record of what was done to them."""

    def __init__(self, trial: Trial, folder: Path, exchange: SimulatorProcess, cluster: KeptCluster | None) -> None:
        self.trial = trial
        self.folder, self.root, self.state = folder, folder / "data", folder / "state"
        self.exchange = exchange
        self.cluster = cluster
        """Where the job runs; None: every driver brings a Ray of its own."""
        self.symbols = [f"T{trial.seed}S{number:03}" for number in range(trial.symbols)]
        self.driver = Driver(folder / "candles.toml", self.state)
        self.kills: list[Victim] = []
        self.seconds = 0.0
        self._dice = random.Random(trial.seed)

    @property
    def repeatable_pages(self) -> int:
        """Pages that were in flight at the kills and the stops, at most."""
        return sum(victim.pages_in_flight for victim in self.kills) + MOST_IN_FLIGHT * len(self.driver.stops)

    def play(self) -> None:
        """All steps of the trial, then on to COMPLETED."""
        self._write_settings()
        began_at = time.monotonic()
        try:
            self.driver.be_running()
            for step in self.trial.steps:
                step.happen(self)
            while not self.driver.is_completed:
                self.driver.be_running()
                self.driver.wait()
        finally:
            if self.driver.process_id:
                self.kill(Victim.EVERYTHING)
                self.driver.wait()
        self.seconds = time.monotonic() - began_at

    def reaches(self, requests: int) -> bool:
        """Wait until the exchange has seen so many requests; False when the job was completed before."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.driver.is_completed and self.exchange.report()["requests"] < requests:
            assert time.monotonic() < deadline, f"never {requests} requests: {self.driver.stops}"
            self.driver.be_running()
            time.sleep(0.01)
        self.driver.be_running()
        return not self.driver.is_completed

    def kill(self, victim: Victim) -> None:
        """kill -9 of one process, of the driver, or of the driver with all that belongs to the job."""
        doomed = self._processes(victim)
        for process in doomed:
            _kill(process)
        # Not the driver: psutil would take its exit code away from the one who asks for it later.
        psutil.wait_procs([process for process in doomed if process.pid != self.driver.process_id], timeout=10)
        if doomed:
            self.kills.append(victim)

    def _processes(self, victim: Victim) -> list[psutil.Process]:
        driver = _process(self.driver.process_id)
        below = _descendants(self.cluster.process_id if self.cluster else self.driver.process_id)
        match victim:
            case Victim.DRIVER:
                return driver
            case Victim.EVERYTHING if self.cluster is None:
                return driver + below
            case Victim.EVERYTHING:
                return driver + [process for process in below if any(self._is(actor, process) for actor in _TITLES)]
        actors = [process for process in below if self._is(victim, process)]
        return self._dice.sample(actors, 1) if actors else []

    def _is(self, victim: Victim, process: psutil.Process) -> bool:
        """Whether a limiter is ours: a kept cluster has those of other runs, too, but ours has its record open."""
        try:
            has_title = " ".join(process.cmdline()).startswith(_TITLES[victim])
            if victim is not Victim.LIMITER or not has_title:
                return has_title
            return any(Path(file.path).is_relative_to(self.state) for file in process.open_files())
        except psutil.Error:
            return False

    def _write_settings(self) -> None:
        text = _SETTINGS.format(
            base_url=self.exchange.base_url,
            account=f"{self.trial.name}-{self.trial.seed}",
            limit=self.trial.limit,
            symbols=json.dumps(self.symbols),
            workers=WORKERS,
            batch_size=BATCH_SIZE,
            concurrency=CONCURRENCY,
            root=self.root,
            address=self.cluster.address if self.cluster else "embedded",
        )
        (self.folder / "candles.toml").write_text(text)


@contextmanager
def trial_run(trial: Trial, folder: Path, cluster: KeptCluster | None = None) -> Iterator[TrialRun]:
    """A run of the trial in that folder, with its exchange."""
    options = ["--limits", trial.limit, "--uplink-ms", "15", "--downlink-ms", "15", "--jitter", "1.0"]
    options += ["--seed", str(trial.seed), *(word for fault in trial.faults for word in ("--fault", fault))]
    with SimulatorProcess(options) as exchange:
        yield TrialRun(trial, folder, exchange, cluster)


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def _process(process_id: int | None) -> list[psutil.Process]:
    try:
        return [psutil.Process(process_id)] if process_id else []
    except psutil.NoSuchProcess:
        return []


def _descendants(process_id: int | None) -> list[psutil.Process]:
    try:
        return [child for process in _process(process_id) for child in process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
