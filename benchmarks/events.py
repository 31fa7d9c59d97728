"""The event store against the size of the job: appending its batches, and reading the job back."""

from __future__ import annotations

import random
import statistics
import string
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from adapters.job_store.journal import JobJournal
from adapters.job_store.sqlite import EventDatabase, JobEvents
from benchmarks.tables import Table
from domain.candles.dataset import Interval
from domain.jobs.batches import BatchReport, SymbolFailure
from domain.jobs.plan import job_uuid, plan_uuid
from domain.jobs.request import CollectionRequest
from domain.spans.time_span import TimeSpan

NOW = datetime(2024, 3, 1, tzinfo=UTC)
BATCH_SIZES = (10, 100)
FEWEST_EVENTS = 10
RELOADS = 5
BATCHES_PER_FAILURE = 20
DAY_MS = 86_400_000


class JsonDatabase:
    """The same SQLite file with eventsourcing's defaults: JSON, and no compression."""

    def __init__(self, path: Path) -> None:
        self._events = JobEvents(
            {"PERSISTENCE_MODULE": "adapters.job_store.sqlite:FullSyncFactory", "SQLITE_DBNAME": str(path)}
        )

    @contextmanager
    def use(self) -> Iterator[JobEvents]:
        """As `EventDatabase.use`."""
        yield self._events

    def close(self) -> None:
        """Close the file."""
        self._events.close()


@dataclass(frozen=True, slots=True)
class StoreRun:
    """One job in one store."""

    events: int
    appends_per_second: float
    reload_seconds: float
    job_bytes: int
    plan_bytes: int

    @property
    def bytes_per_event(self) -> float:
        return self.job_bytes / self.events


def measure(sizes: Sequence[int]) -> Table:
    """Jobs of all sizes, in our encoding and in JSON, one after the other."""
    rows = []
    for size in sizes:
        for batch_size in BATCH_SIZES:
            if size // batch_size >= FEWEST_EVENTS:
                rows.append(_row(size, batch_size))
    columns = (
        "symbols", "batch", "events", "appends/s", "JSON", "reload", "JSON", "bytes/event", "JSON", "plan", "JSON",
    )  # fmt: skip
    note = (
        "One SQLite file in WAL mode with full sync, one commit for each batch, no snapshots; a symbol fails in one "
        f"of {BATCHES_PER_FAILURE} batches. Reload: open the file and read the whole job, the median of {RELOADS}. "
        "JSON: eventsourcing's own transcoder without compression, in the same run. Plan: the event with all symbols."
    )
    return Table("The event store against the size of the job", columns, rows, note)


def _row(size: int, batch_size: int) -> tuple[str, ...]:
    with tempfile.TemporaryDirectory(prefix="candles-events-") as folder:
        stores = [
            Store(EventDatabase, Path(folder) / "ours.sqlite", size, batch_size),
            Store(JsonDatabase, Path(folder) / "json.sqlite", size, batch_size),
        ]
        # In turns, so that a busy disk slows both.
        for batch in range(-(-size // batch_size)):
            for store in stores:
                store.append(batch)
        runs = [store.read_back() for store in stores]
    return (
        f"{size:,}",
        str(batch_size),
        f"{runs[0].events:,}",
        *(f"{run.appends_per_second:,.0f}" for run in runs),
        *(f"{1000 * run.reload_seconds:,.1f} ms" for run in runs),
        *(f"{run.bytes_per_event:,.0f}" for run in runs),
        *(f"{run.plan_bytes / 1000:,.1f} kB" for run in runs),
    )


class Store:
    """One job in a file of its own."""

    def __init__(self, database: Callable[[Path], Any], path: Path, size: int, batch_size: int) -> None:
        self._database, self._path = database, path
        self._journal = JobJournal(database(path))
        self._job_id = self._journal.submit(_request(size, batch_size), NOW)
        self._job = self._journal.job(self._job_id)
        self._job.start(timestamp=NOW)
        self._journal.save(self._job)
        self._reports = [
            _report(batch, names, self._job.epoch)
            for batch, names in self._job.remaining_batches(self._journal.plan(self._job_id))
        ]
        self._appending_seconds = 0.0

    def append(self, batch: int) -> None:
        """Record one batch and save it."""
        began_at = time.perf_counter()
        self._job.record_batch(self._reports[batch], timestamp=NOW)
        self._journal.save(self._job)
        self._appending_seconds += time.perf_counter() - began_at

    def read_back(self) -> StoreRun:
        """Close the file, and measure what is in it."""
        self._journal.close()
        reloads = [_reload_seconds(self._database, self._path, self._job_id) for _ in range(RELOADS)]
        database = self._database(self._path)
        with database.use() as events:
            job, plan = (_stored(events, originator(self._job_id)) for originator in (job_uuid, plan_uuid))
        database.close()
        per_second = len(self._reports) / self._appending_seconds
        return StoreRun(len(job), per_second, statistics.median(reloads), sum(job), sum(plan))


def _reload_seconds(database: Callable[[Path], Any], path: Path, job_id: str) -> float:
    began_at = time.perf_counter()
    journal = JobJournal(database(path))
    job = journal.job(job_id)
    seconds = time.perf_counter() - began_at
    journal.close()
    if not job.all_batches_finished:
        raise RuntimeError(f"job {job_id} came back with batches missing")
    return seconds


def _stored(events: JobEvents, originator: UUID) -> list[int]:
    """How many bytes each stored event of the aggregate has."""
    return [len(stored.state) for stored in events.recorder.select_events(originator)]


def _tickers(count: int) -> tuple[str, ...]:
    """Names as irregular as real ones: numbered ones would compress too well."""
    source = random.Random(0)
    names: dict[str, None] = {}
    while len(names) < count:
        names["".join(source.choices(string.ascii_uppercase, k=source.randint(3, 5)))] = None
    return tuple(names)


def _request(size: int, batch_size: int) -> CollectionRequest:
    return CollectionRequest(
        broker="binance",
        account="default",
        symbols=_tickers(size),
        interval=Interval("1d"),
        span=TimeSpan(0, 1000 * DAY_MS),
        batch_size=batch_size,
    )


def _report(batch: int, names: tuple[str, ...], epoch: int) -> BatchReport:
    failed = names[: batch % BATCHES_PER_FAILURE == 0]
    return BatchReport(
        batch=batch,
        epoch=epoch,
        finished=True,
        completed=names[len(failed) :],
        failed=tuple(SymbolFailure(name, "SymbolRejected", "Invalid symbol.", 1) for name in failed),
        candles_saved=1000 * len(names),
        pages=len(names),
        requests=len(names),
    )
