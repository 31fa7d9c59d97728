"""EventDatabase: the storage of events on eventsourcing: an SQLite file with full sync, or memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.domain import EventSourcingError
from eventsourcing.persistence import IntegrityError
from eventsourcing.sqlite import SQLiteConnection, SQLiteConnectionPool, SQLiteFactory
from eventsourcing.utils import Environment, EnvType, TopicError
from filelock import FileLock

from adapters.files.atomic import make_folder
from domain.errors import EventStoreUnavailable, StorageUnavailable

LOCK_TIMEOUT_SECONDS = 1
"""The shortest wait of eventsourcing for another writer: whole seconds, and 0 would mean its default of 5."""

_CODEC = {
    "TRANSCODER_TOPIC": "adapters.job_store.encoding:MsgpackTranscoder",
    "COMPRESSOR_TOPIC": "adapters.job_store.encoding:ZstdCompressor",
}
_IN_MEMORY = {"PERSISTENCE_MODULE": "eventsourcing.popo", **_CODEC}


class FullSyncPool(SQLiteConnectionPool):
    """Connections in WAL mode that sync at every commit, however SQLite was compiled."""

    def _create_connection(self) -> SQLiteConnection:
        # eventsourcing would switch to WAL first, and leave the connection open where that fails.
        self.is_journal_mode_wal = True
        connection = super()._create_connection()
        try:
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA journal_mode=WAL")
                cursor.execute("PRAGMA synchronous=FULL")
        except sqlite3.Error:
            connection.close()
            raise
        return connection


class FullSyncFactory(SQLiteFactory):
    """Builds eventsourcing's SQLite recorders on a `FullSyncPool`."""

    def __init__(self, env: Environment | EnvType | None) -> None:
        super().__init__(env)
        self.datastore.pool = FullSyncPool(
            db_name=self.datastore.pool.db_name, lock_timeout=self.datastore.pool.lock_timeout
        )


class JobEvents(Application[UUID]):
    """eventsourcing's application; no environment variable can change how it stores events."""

    name = "JobEvents"

    def construct_env(self, name: str, env: EnvType | None = None) -> Environment:
        """The given settings, and no others."""
        return Environment(name, env)


class EventDatabase:
    """Opens the store when it is first used, and again after an error. For one thread at a time.

    Reading never creates anything: a file that is not there reads as a store without events.
    """

    def __init__(self, path: Path | None) -> None:
        """An SQLite file at `path`, created with its folders when first written; None keeps events in memory."""
        self.path = path
        self._events: JobEvents | None = None

    def __str__(self) -> str:
        return str(self.path or "in memory")

    @contextmanager
    def use(self, create: bool = False) -> Iterator[JobEvents]:
        """The open store, created if `create`; its errors are raised as EventStoreUnavailable.

        Two of them are raised unchanged: AggregateNotFoundError and IntegrityError.
        """
        try:
            yield self._opened(create)
        except (AggregateNotFoundError, IntegrityError):
            raise
        except StorageUnavailable as error:
            raise EventStoreUnavailable(str(self), f"{error.path}: {error.reason}") from error
        except (EventSourcingError, TopicError, sqlite3.Error, OSError) as error:
            self._drop_connections()
            raise EventStoreUnavailable(str(self), str(error) or type(error).__name__) from error

    @property
    def missing_folder(self) -> Path | None:
        """The folder of the store if it does not exist, else None."""
        return None if self.path is None or self.path.parent.is_dir() else self.path.parent

    def close(self) -> None:
        """Close the file; using the store again opens it again. Events in memory stay."""
        self._drop_connections()

    def _opened(self, create: bool) -> JobEvents:
        if self._events is None:
            if not create and self.path is not None and not self.path.exists():
                return JobEvents(_IN_MEMORY)
            self._events = self._open()
        return self._events

    def _open(self) -> JobEvents:
        if self.path is None:
            return JobEvents(_IN_MEMORY)
        make_folder(self.path.parent)
        settings = {
            "PERSISTENCE_MODULE": "adapters.job_store.sqlite:FullSyncFactory",
            "SQLITE_DBNAME": str(self.path),
            "SQLITE_LOCK_TIMEOUT": str(LOCK_TIMEOUT_SECONDS),
            **_CODEC,
        }
        # Processes that create a file together would disturb each other: SQLite does not wait when it switches to WAL.
        with FileLock(f"{self.path}.opening", timeout=LOCK_TIMEOUT_SECONDS, poll_interval=0.01):
            return JobEvents(settings)

    def _drop_connections(self) -> None:
        # After a failed commit SQLite may keep the transaction open on its connection: none is used again.
        if self.path is not None and self._events is not None:
            self._events.close()
            self._events = None
