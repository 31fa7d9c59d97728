"""Reading a permit log, while its writer is at work or long after: the history that an audit judges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adapters.files.atomic import storage_errors
from adapters.permit_store.audit_history import AuditColumns, unpack
from adapters.permit_store.frames import read_frames
from adapters.permit_store.log import FORMAT, log_path, number_of, packed_path, span_of
from adapters.permit_store.notes import PermitNotes, limits_of
from domain.limits.audit import AuditHistory, EvidenceGap, LimitsInForce


def read_audit_history(folder: Path, broker: str, account: str) -> AuditHistory:
    """Every permit of an account that the log still has. Raises StorageUnavailable.

    A permit whose request is not known to be complete is taken to last until its bound.
    """
    evidence_gaps: list[EvidenceGap] = []
    newest, packed = _newest(log_path(folder, broker, account), evidence_gaps)
    files = sorted(packed_path(folder, broker, account).glob("*.trail"), key=number_of)
    mine = [file for file in files if packed is None or number_of(file) < packed]
    parts = [*_unpacked(mine, evidence_gaps), newest]
    all_kept = packed == 0 or (bool(mine) and number_of(mine[0]) == 0)
    evidence_gaps.append(
        EvidenceGap(float("-inf"), _beginning(parts[0], all_kept), "the log of permits begins later than the job")
    )
    return _joined(parts, evidence_gaps)


def _newest(path: Path, evidence_gaps: list[EvidenceGap]) -> tuple[AuditColumns, int | None]:
    """What is in the newest file, and how many packed ones belong to it; None: all there are."""
    with storage_errors(path):
        data = path.read_bytes() if path.exists() else b""
    # The last entry may be half written as we read it: its permit is not handed out yet.
    entries, _ = read_frames(data)
    if not entries or entries[0][:2] != ["log", FORMAT]:
        if data:
            evidence_gaps.append(EvidenceGap(float("-inf"), float("inf"), f"{path.name} is damaged"))
        return AuditColumns(0), None
    _, _, _, offset_us, packed, last_granted_us = entries[0]
    notes = PermitNotes(offset_us, last_granted_us)
    for entry in entries[1:]:
        notes.replay(entry)
    notes.lapse(None)
    return notes.completed, packed


def _unpacked(files: list[Path], evidence_gaps: list[EvidenceGap]) -> Iterator[AuditColumns]:
    for file in files:
        try:
            yield unpack(file.read_bytes())
        except (OSError, ValueError) as error:
            # The writer may be dropping it just now: the log begins later then.
            evidence_gaps.append(EvidenceGap(*span_of(file), f"{file.name} cannot be read: {error}"))


def _beginning(first: AuditColumns, all_kept: bool) -> float:
    """From when on every permit is there."""
    if all_kept and first.eras:
        return (first.offset_us + int(first.eras[0][0])) / 1e6
    return (first.offset_us + min(first.granted)) / 1e6 if len(first) else float("inf")


def _joined(parts: Iterable[AuditColumns], evidence_gaps: list[EvidenceGap]) -> AuditHistory:
    parts = list(parts)
    jobs: dict[str, int] = {}
    pools: dict[str, int] = {}
    granted = np.concatenate([_moments(part, part.granted) for part in parts])
    order = np.argsort(granted, kind="stable")
    for part in parts:
        for first_us, last_us, sentence in part.evidence_gaps:
            evidence_gaps.append(EvidenceGap(*_seconds(part, first_us, last_us), sentence))
    return AuditHistory(
        granted_seconds=granted[order],
        completed_seconds=np.concatenate([_moments(part, part.completed) for part in parts])[order],
        tokens=np.concatenate([np.array(part.tokens, np.int64) for part in parts])[order],
        job=np.concatenate([_renumbered(part.job, part.jobs, jobs) for part in parts])[order],
        pool=np.concatenate([_renumbered(part.pool, part.pools, pools) for part in parts])[order],
        ending=np.concatenate([np.array(part.ending, np.uint8) for part in parts])[order],
        jobs=tuple(jobs),
        pools=tuple(pools),
        limits=_eras(parts),
        evidence_gaps=tuple(evidence_gaps),
    )


def _eras(parts: Iterable[AuditColumns]) -> tuple[LimitsInForce, ...]:
    eras = [
        LimitsInForce((part.offset_us + since_us) / 1e6, limits_of(limits))
        for part in parts
        for since_us, limits in part.eras
    ]
    # Every part begins with the limits that held when the one before it ended.
    return tuple(sorted(eras, key=lambda era: era.since_seconds))


def _moments(part: AuditColumns, moments_us: Iterable[int]) -> NDArray[np.float64]:
    moments: NDArray[np.float64] = (np.array(moments_us, np.int64) + part.offset_us) / 1e6
    return moments


def _seconds(part: AuditColumns, first_us: int, last_us: int) -> tuple[float, float]:
    return (part.offset_us + first_us) / 1e6, (part.offset_us + last_us) / 1e6


def _renumbered(places: Iterable[int], names: dict[str, int], known: dict[str, int]) -> NDArray[np.int64]:
    renumbered = np.array([known.setdefault(name, len(known)) for name in names], np.int64)
    return renumbered[np.array(places, np.int64)] if names else np.zeros(0, np.int64)
