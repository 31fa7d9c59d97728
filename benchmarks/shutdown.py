"""How long a shutdown takes, whatever the workers are doing: from the call to PAUSED persisted."""

from __future__ import annotations

import signal
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from actors.service import CollectionService
from benchmarks.tables import Table
from benchmarks.workbench import WORKER, Workbench, actor_processes, symbols, wait_until, workbench
from domain.jobs.status import JobStatus

if TYPE_CHECKING:
    from actors.cluster.handles import JobHandle

SETTLE_SECONDS = 0.3
MOST_REPETITIONS = 20
SYMBOLS = 40
FAST = "2000/1s"


@dataclass(frozen=True, slots=True)
class State:
    """A state in which a job is shut down: how the exchange and the job are set up, and how the state is reached."""

    name: str
    limit: str
    exchange_options: tuple[str, ...]
    reach: Callable[[JobHandle], None]
    days: int = 5
    symbols: int = SYMBOLS
    batch_size: int = 10
    requests_first: int = 0
    """How many requests of each job are waited for."""


def _as_it_is(_handle: JobHandle) -> None:
    time.sleep(SETTLE_SECONDS)


def _pause(handle: JobHandle) -> None:
    handle.pause(now=True)


def _freeze_worker(handle: JobHandle) -> None:
    # Only of this job: a worker frozen in an earlier job stays frozen until Ray ends.
    actor_processes(WORKER, handle.job_id)[0].send_signal(signal.SIGSTOP)


HUNG = ("--fault", "hung")
HUNG_FIRST_SYMBOLS = tuple(
    text for job in range(MOST_REPETITIONS) for text in ("--fault", f"hung,symbol={symbols(1, f'JOB{job}X')[0]}")
)
TEN_YEARS = 3650
STATES = (
    State("waiting for a permit", "1/60s", (), _as_it_is),
    State("in a hung fetch", FAST, HUNG, _as_it_is, requests_first=2),
    State("fetching and saving at full speed", FAST, (), _as_it_is, TEN_YEARS, 1000, requests_first=20),
    State("paused", "15/1s", (), _pause, TEN_YEARS, requests_first=5),
    State(
        "between batches", FAST, HUNG_FIRST_SYMBOLS, _as_it_is, symbols=2, batch_size=1,
        requests_first=2,
    ),
    State("a worker frozen (killed after the grace)", FAST, HUNG, _freeze_worker, requests_first=2),
)  # fmt: skip


def measure(repetitions: int) -> Table:
    """Shut jobs down in every state, a new job each time."""
    rows = []
    for state in STATES:
        latencies = _measure_state(state, repetitions)
        rows.append(
            (
                state.name,
                str(len(latencies)),
                f"{1000 * statistics.median(latencies):.0f} ms",
                f"{1000 * max(latencies):.0f} ms",
            )
        )
    note = "JobHandle.shutdown(), from the call to its return: the workers have stopped and PAUSED is in the store."
    return Table("Shutdown latency", ("state", "jobs", "median", "max"), rows, note)


def _measure_state(state: State, repetitions: int) -> list[float]:
    options = ["--limits", state.limit, *state.exchange_options]
    with workbench(options) as bench:
        settings = bench.settings(
            symbols(state.symbols), [state.limit], state.days, workers=2, batch_size=state.batch_size
        )
        with CollectionService(settings) as service:
            return [_shut_down_once(service, bench, state, number) for number in range(repetitions)]


def _shut_down_once(service: CollectionService, bench: Workbench, state: State, number: int) -> float:
    seen = bench.exchange.report()["requests"]
    request = replace(service.request(), symbols=tuple(symbols(state.symbols, f"JOB{number}X")))
    handle = service.submit(request)
    # Imported here: Ray reads its environment at import, and the service has set it by now.
    from actors.cluster.handles import JobHandle

    assert isinstance(handle, JobHandle), "a fresh folder holds no finished job"
    wait_until(lambda: len(actor_processes(WORKER, handle.job_id)) >= 2, "two workers run")
    wait_until(lambda: bench.exchange.report()["requests"] >= seen + state.requests_first, "requests have arrived")
    state.reach(handle)
    began_at = time.perf_counter()
    progress = handle.shutdown()
    latency_seconds = time.perf_counter() - began_at
    if progress.status is not JobStatus.PAUSED:
        raise RuntimeError(f"{state.name}: not paused by the shutdown, but {progress}")
    return latency_seconds
