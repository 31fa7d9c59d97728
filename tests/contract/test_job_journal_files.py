"""What a job journal in a file promises besides: other processes, full disks, kills."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from filelock import FileLock

from adapters.job_store.journal import JobJournal
from domain.errors import EventStoreUnavailable, JobNotFound, SettingsError
from domain.jobs.status import JobStatus
from tests.contract.job_store_examples import later, started, submitted
from tests.job_examples import NOW, REQUEST

TREE = Path(__file__).resolve().parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "not there yet" / "events.db"


@pytest.fixture
def journal(path: Path) -> Iterator[JobJournal]:
    with closing(JobJournal.sqlite(path)) as journal:
        yield journal


def test_reading_a_store_that_is_not_there_creates_nothing(journal: JobJournal, path: Path) -> None:
    assert journal.job_ids() == []
    assert journal.latest("nothing") is None
    with pytest.raises(JobNotFound):
        journal.history("nothing")
    assert not path.parent.exists()
    path.parent.mkdir()
    assert journal.job_ids() == []
    assert list(path.parent.iterdir()) == []
    started(journal)
    assert len(journal.job_ids()) == 1


def test_a_job_named_in_a_store_that_is_not_there_is_answered_with_its_folder(journal: JobJournal, path: Path) -> None:
    with pytest.raises(SettingsError, match=f"there is no store in {path.parent}: "):
        journal.find("binance")
    path.parent.mkdir()
    with pytest.raises(JobNotFound):
        journal.find("binance")


def test_a_folder_that_cannot_be_made_is_an_unavailable_store(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EventStoreUnavailable, match=f"{tmp_path}/file: File exists"):
        JobJournal.sqlite(tmp_path / "file" / "events.db").submit(REQUEST, NOW)


def test_two_journals_share_a_file(journal: JobJournal, path: Path) -> None:
    with closing(JobJournal.sqlite(path)) as other:
        job = started(journal)
        mine = other.job(other.submit(REQUEST, later(2)))
        assert mine == job
        mine.pause(timestamp=later(3))
        other.save(mine)
    assert journal.job(job.job_id).status is JobStatus.PAUSED


def test_a_file_is_opened_by_one_process_at_a_time_for_creating_it_together_fails(
    journal: JobJournal, path: Path
) -> None:
    path.parent.mkdir()
    with FileLock(f"{path}.opening"), pytest.raises(EventStoreUnavailable, match="opening"):
        journal.submit(REQUEST, NOW)
    assert journal.job_ids() == []


def test_events_are_synced_at_every_commit_and_a_lock_is_waited_for_a_second_at_most(
    journal: JobJournal, path: Path
) -> None:
    started(journal)
    with journal._database.use() as events, events.factory.datastore.transaction(commit=False) as cursor:
        cursor.execute("PRAGMA synchronous")
        assert cursor.fetchone()[0] == 2
        cursor.execute("PRAGMA journal_mode")
        assert cursor.fetchone()[0] == "wal"
        cursor.execute("PRAGMA busy_timeout")
        assert cursor.fetchone()[0] == 1000


def test_a_locked_file_is_said_and_a_reload_gives_the_stored_truth(journal: JobJournal, path: Path) -> None:
    job = started(journal)
    job.pause(timestamp=later(2))
    with closing(sqlite3.connect(path, isolation_level=None)) as blocker:
        blocker.execute("BEGIN IMMEDIATE")
        with pytest.raises(EventStoreUnavailable, match="locked"):
            journal.save(job)
        blocker.execute("ROLLBACK")
    reloaded = journal.job(job.job_id)
    assert reloaded.status is JobStatus.RUNNING
    reloaded.pause(timestamp=later(3))
    journal.save(reloaded)
    assert journal.job(job.job_id) == reloaded


def test_a_full_disk_stores_nothing_of_an_event(journal: JobJournal) -> None:
    job = submitted(journal)
    with journal._database.use() as events, events.factory.datastore.get_connection(commit=True) as connection:
        pages = connection.cursor()
        pages.execute("PRAGMA max_page_count=1")
    job.start("x" * 100_000, timestamp=later(1))
    job.cancel(os.urandom(100_000).hex(), timestamp=later(2))
    with pytest.raises(EventStoreUnavailable, match="full"):
        journal.save(job)
    reloaded = journal.job(job.job_id)
    assert reloaded.status is JobStatus.PENDING
    reloaded.cancel(os.urandom(100_000).hex(), timestamp=later(3))
    journal.save(reloaded)
    assert journal.job(job.job_id) == reloaded


@pytest.mark.parametrize("make", [lambda path: path.write_text("no database " * 100), Path.mkdir])
def test_a_file_that_is_no_database_is_said_and_not_held_open(tmp_path: Path, make: object) -> None:
    path = tmp_path / "events.db"
    make(path)  # type: ignore[operator]
    with pytest.raises(EventStoreUnavailable, match=str(path)) as caught:
        JobJournal.sqlite(path).job_ids()
    assert caught.value.__traceback__, "what it refers to is still there"
    assert [file for file in Path("/proc/self/fd").iterdir() if file.is_symlink() and file.readlink() == path] == []


def test_an_event_of_a_newer_version_is_said_and_not_skipped(journal: JobJournal, path: Path) -> None:
    job = started(journal)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "UPDATE stored_events SET topic='CollectionJob.Teleported' WHERE topic='CollectionJob.Started'"
        )
    with pytest.raises(EventStoreUnavailable, match="Teleported"):
        journal.job(job.job_id)


def test_the_environment_does_not_change_how_events_are_stored(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COMPRESSOR_TOPIC", "JOBEVENTS_COMPRESSOR_TOPIC"):
        monkeypatch.setenv(name, "eventsourcing.compressor:ZlibCompressor")
    with closing(JobJournal.sqlite(path)) as journal:
        job = started(journal)
    monkeypatch.undo()
    with closing(JobJournal.sqlite(path)) as journal:
        assert journal.job(job.job_id) == job


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from adapters.job_store.journal import JobJournal
from domain.jobs.batches import BatchReport
journal = JobJournal.sqlite(sys.argv[1])
job = journal.job(sys.argv[2])
job.take_over(timestamp=datetime.now(UTC))
journal.save(job)
job.record_batch(BatchReport(0, job.epoch, True, ("AAA", "BBB"), requests=7), timestamp=datetime.now(UTC))
print(job.version, flush=True)
journal.save(job)
job.pause(timestamp=datetime.now(UTC))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_leaves_what_it_saved_and_nothing_else(journal: JobJournal, path: Path) -> None:
    job = started(journal)
    command = [sys.executable, "-c", KILLED, str(path), job.job_id]
    outcome = subprocess.run(command, cwd=TREE, capture_output=True, text=True, timeout=60, check=False)
    assert outcome.returncode == -signal.SIGKILL, outcome.stderr
    found = journal.job(job.job_id)
    assert (found.status, found.epoch, found.requests) == (JobStatus.RUNNING, 2, 7)
    assert found.version == int(outcome.stdout)
    found.take_over("its coordinator was gone", timestamp=later(5))
    journal.save(found)
    assert [batch for batch, _ in found.remaining_batches(journal.plan(job.job_id))] == [1, 2]
