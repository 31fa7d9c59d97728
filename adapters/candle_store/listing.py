"""Which candle files a dataset has, their bytes, and a fingerprint of each: without decoding any."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from adapters.candle_store.format.header import CHECKSUM_BYTES
from adapters.candle_store.layout import SUFFIX, folder_of, period_of
from adapters.candle_store.segments import read_header
from adapters.files.atomic import storage_errors
from domain.candles.dataset import Dataset
from domain.errors import CorruptSegment


def segment_files(root: Path, dataset: Dataset) -> list[Path]:
    """The dataset's candle files in order of time; none for a dataset that is not stored."""
    folder = folder_of(root, dataset)
    with storage_errors(folder):
        if not folder.is_dir():
            return []
        return sorted(path for path in folder.iterdir() if path.suffix == SUFFIX and period_of(path) is not None)


def fingerprint(path: Path) -> str:
    """What changes whenever the file's content does: its length, and the checksum at its end.

    Raises CorruptSegment for a file too short to have one.
    """
    with storage_errors(path), path.open("rb") as file:
        length = os.fstat(file.fileno()).st_size
        if length < CHECKSUM_BYTES:
            raise CorruptSegment(str(path), "it does not end like a candle file")
        file.seek(length - CHECKSUM_BYTES)
        return f"{length}:{file.read(CHECKSUM_BYTES).hex()}"


def bytes_per_bar(root: Path, datasets: Iterable[Dataset]) -> float | None:
    """What a bar of these datasets takes on disk, all told; None when none of them has a bar.

    Raises CorruptSegment.
    """
    bars = total_bytes = 0
    for dataset in datasets:
        for path in segment_files(root, dataset):
            bars += read_header(path, dataset).rows
            with storage_errors(path):
                total_bytes += path.stat().st_size
    return total_bytes / bars if bars else None
