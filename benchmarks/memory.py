"""The memory of a worker and of the coordinator against the size of the job."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import psutil

from actors.service import CollectionService
from benchmarks.tables import Table
from benchmarks.workbench import WORKER, actor_processes, symbols, workbench

LIMIT = "2000/1s"
CANDLES = 5
SAMPLE_SECONDS = 0.1
MIB = 1024 * 1024
ACTORS = (WORKER, "JobCoordinator")


@dataclass
class MemorySampler:
    """Samples the resident memory of this driver's actors in a thread; `most` has each class's largest."""

    most: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ACTORS, 0))
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> MemorySampler:
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        assert self._thread is not None
        self._thread.join()

    def _sample(self) -> None:
        processes: dict[str, list[psutil.Process]] = {actor: [] for actor in ACTORS}
        while not self._stop.wait(SAMPLE_SECONDS):
            for actor in ACTORS:
                processes[actor] = processes[actor] or actor_processes(actor)
                for process in processes[actor]:
                    self.most[actor] = max(self.most[actor], _resident_bytes(process))


@dataclass(frozen=True, slots=True)
class MemoryRun:
    """One job's peaks."""

    symbols: int
    running_seconds: float
    worker_bytes: int
    coordinator_bytes: int


def measure(sizes: Sequence[int]) -> Table:
    """A job of each size, each in a Ray of its own: 2 workers, one page of 5 candles a symbol."""
    runs = [_run(size) for size in sizes]
    rows = [
        (
            f"{run.symbols:,}",
            f"{run.running_seconds:.1f} s",
            f"{run.worker_bytes / MIB:.1f} MiB",
            f"{run.coordinator_bytes / MIB:.1f} MiB",
            _growth(run, before),
        )
        for before, run in zip([None, *runs], runs, strict=False)
    ]
    columns = ("symbols", "run", "worker", "coordinator", "coordinator, extra bytes per symbol")
    note = (
        f"Largest resident memory of any worker, and of the coordinator, sampled every {SAMPLE_SECONDS} s; {LIMIT}. "
        "Every job has fresh processes: growth between small jobs is mostly their first use of libraries."
    )
    return Table("Memory against the size of the job", columns, rows, note)


def _run(size: int) -> MemoryRun:
    with workbench(["--limits", LIMIT, "--uplink-ms", "1", "--downlink-ms", "1"]) as bench:
        settings = bench.settings(symbols(size), [LIMIT], CANDLES, workers=2)
        with CollectionService(settings) as service, MemorySampler() as sampler:
            last = service.submit().wait()
    if last.symbols_completed != size:
        raise RuntimeError(f"the job of {size} symbols ended as {last}")
    return MemoryRun(size, last.running_seconds, sampler.most[WORKER], sampler.most["JobCoordinator"])


def _growth(run: MemoryRun, before: MemoryRun | None) -> str:
    if before is None:
        return "-"
    return f"{(run.coordinator_bytes - before.coordinator_bytes) / (run.symbols - before.symbols):,.0f}"


def _resident_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
