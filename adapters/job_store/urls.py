"""The job store that an address names, and the owners of its jobs: today always an SQLite file."""

from __future__ import annotations

from pathlib import Path

from adapters.files.urls import path_in, scheme_of
from adapters.job_store.journal import JobJournal
from adapters.job_store.ownership_files import OwnershipFiles
from domain.errors import SettingsError

BESIDE_THE_CANDLES = "sqlite"
"""The address of the file `jobs.sqlite` in the folder of the candles."""

_FILE_NAME = "jobs.sqlite"
_NEEDED = 'write "sqlite" or the whole path of a file like "sqlite:///data/jobs.sqlite"'


def job_store_at(address: str, folder: Path) -> JobJournal:
    """The jobs at an address; `folder` is that of the candles. Raises SettingsError for an address of no store."""
    return JobJournal.sqlite(job_file(address, folder))


def job_owners_at(address: str, folder: Path) -> OwnershipFiles:
    """The owners of the jobs at an address, in one place for each store."""
    file = job_file(address, folder)
    return OwnershipFiles(file.parent / (".runners" if file.name == _FILE_NAME else f".{file.name}.runners"))


def job_file(address: str, folder: Path) -> Path:
    """The SQLite file that an address names; SettingsError where it names none."""
    if address == BESIDE_THE_CANDLES:
        return folder / _FILE_NAME
    scheme = scheme_of(address)
    if scheme != "sqlite":
        begins = f'begins with "{scheme}:"' if scheme else "is not an address of events"
        raise SettingsError(f"storage.events {begins}, and jobs are kept in an SQLite file: {_NEEDED}")
    try:
        file = path_in(address)
    except ValueError as error:
        raise SettingsError(f"storage.events cannot be used, {error}: {_NEEDED}") from error
    if address.endswith("/") or file.is_dir():
        raise SettingsError(f"storage.events names the folder {file}: {_NEEDED}")
    return file
