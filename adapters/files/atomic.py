"""Files that are there whole or not at all, and storage errors that say which file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from domain.errors import StorageUnavailable

TEMPORARY_SUFFIX = ".tmp"


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turns what the operating system says about the path into StorageUnavailable."""
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(str(path), error.strerror or str(error)) from error


@contextmanager
def replacing(path: Path, temporary: Path | None = None) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `path`, durably, when the block ends well.

    Whatever goes wrong before that leaves `path` as it was. The temporary lies beside it, under a fixed
    name unless one is given: writers must hold a lock then, and a killed one's left-over is overwritten.
    Raises StorageUnavailable.
    """
    temporary = temporary or temporary_of(path)
    with storage_errors(path):
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def temporary_of(path: Path) -> Path:
    """Where `replacing` writes before the file takes its place."""
    return path.with_name(path.name + TEMPORARY_SUFFIX)


def make_folder(folder: Path) -> None:
    """Create the folder and those above it, each one durable; raises StorageUnavailable."""
    with storage_errors(folder):
        if folder.is_dir():
            return
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable: without it a crash may undo a rename."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
