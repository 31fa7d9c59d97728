"""AuditColumns: permits that are complete, gathered as columns and packed into the files of a permit log."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from adapters.permit_store.frames import frame, read_frames

_FORMAT = 1
_COMPRESSION_LEVEL = 3
_STORED_AS = {"granted": "<i8", "lasted": "<i8", "tokens": "<i8", "job": "<i4", "pool": "<i4", "ending": "<u1"}


@dataclass(slots=True)
class AuditColumns:
    """Permits in the order in which they completed; times are microseconds of the clock of one boot.

    Adding `offset_us` makes them microseconds since 1970: one figure for all of a boot, so that setting the wall
    clock moves no permit against another. `eras` are limits, each with the time from which they held;
    `evidence_gaps` are first and last times, and a sentence.
    """

    offset_us: int
    granted: array[int] = field(default_factory=lambda: array("q"))
    completed: array[int] = field(default_factory=lambda: array("q"))
    tokens: array[int] = field(default_factory=lambda: array("q"))
    job: array[int] = field(default_factory=lambda: array("l"))
    pool: array[int] = field(default_factory=lambda: array("l"))
    ending: array[int] = field(default_factory=lambda: array("B"))
    jobs: dict[str, int] = field(default_factory=dict)
    pools: dict[str, int] = field(default_factory=dict)
    eras: list[list[Any]] = field(default_factory=list)
    evidence_gaps: list[list[Any]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.granted)

    def span_us(self) -> tuple[int, int]:
        """From the first grant to the last completion, evidence gaps included, in microseconds since 1970."""
        gap_edges = [moment_us for gap in self.evidence_gaps for moment_us in gap[:2]]
        return self.offset_us + min([*self.granted, *gap_edges]), self.offset_us + max([*self.completed, *gap_edges])

    def add(self, job: str, pool: str, tokens: int, granted_us: int, completed_us: int, ending: int) -> None:
        """Add a permit."""
        self.granted.append(granted_us)
        self.completed.append(completed_us)
        self.tokens.append(tokens)
        self.job.append(self.jobs.setdefault(job, len(self.jobs)))
        self.pool.append(self.pools.setdefault(pool, len(self.pools)))
        self.ending.append(ending)


def pack(columns: AuditColumns) -> bytes:
    """The columns as a file: 6 to 9 bytes a permit, under checksums."""
    granted = np.array(columns.granted, np.int64)
    order = np.argsort(granted, kind="stable")
    stored = {
        "granted": np.diff(granted[order], prepend=0),
        "lasted": (np.array(columns.completed, np.int64) - granted)[order],
        **{name: np.array(getattr(columns, name), np.int64)[order] for name in ("tokens", "job", "pool", "ending")},
    }
    shuffled = b"".join(_shuffled(stored[name].astype(kind)) for name, kind in _STORED_AS.items())
    head = [
        "trail",
        _FORMAT,
        len(columns),
        columns.offset_us,
        list(columns.jobs),
        list(columns.pools),
        columns.eras,
        columns.evidence_gaps,
    ]
    body: bytes = zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL).compress(shuffled)
    return frame(head) + frame([body])


def unpack(data: bytes) -> AuditColumns:
    """The columns that `pack` made into a file. Raises ValueError when it is not what was written."""
    frames, is_whole = read_frames(data)
    if not is_whole or len(frames) != 2 or frames[0][:2] != ["trail", _FORMAT]:
        raise ValueError("it is not the audit history that was written")
    (_, _, count, offset_us, jobs, pools, eras, evidence_gaps), (body,) = frames
    shuffled = zstandard.ZstdDecompressor().decompress(body, max_output_size=64 * count)
    stored, at = {}, 0
    for name, kind in _STORED_AS.items():
        size = np.dtype(kind).itemsize * count
        stored[name] = _unshuffled(shuffled[at : at + size], kind, count)
        at += size
    granted = np.cumsum(stored["granted"])
    return AuditColumns(
        offset_us,
        granted=_as_array("q", granted),
        completed=_as_array("q", granted + stored["lasted"]),
        tokens=_as_array("q", stored["tokens"]),
        job=_as_array("l", stored["job"]),
        pool=_as_array("l", stored["pool"]),
        ending=_as_array("B", stored["ending"]),
        jobs={job: place for place, job in enumerate(jobs)},
        pools={pool: place for place, pool in enumerate(pools)},
        eras=eras,
        evidence_gaps=evidence_gaps,
    )


def _as_array(kind: str, column: NDArray[np.int64]) -> array[int]:
    return array(kind, column.astype(kind).tobytes())


def _shuffled(column: NDArray[Any]) -> bytes:
    return column.view(np.uint8).reshape(len(column), column.itemsize).T.tobytes()


def _unshuffled(data: bytes, kind: str, count: int) -> NDArray[np.int64]:
    planes = np.frombuffer(data, np.uint8).reshape(np.dtype(kind).itemsize, count)
    return np.ascontiguousarray(planes.T).view(kind).reshape(count).astype(np.int64)
