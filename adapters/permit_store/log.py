"""PermitLogFile: every permit of an account for weeks, so that a run can be audited long after it.

The permit record beside it holds only what still counts. The newest permits are entries in one file, appended
one by one; when there are many, those that are complete are packed into a file of their own. The newest file
says how many packed ones belong to it, so that a reader never sees a permit twice, or half of a change.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from adapters.files.atomic import make_folder, replacing
from adapters.permit_store.audit_history import pack
from adapters.permit_store.frames import frame, read_frames
from adapters.permit_store.notes import PermitNotes, completion_entry, floor_us, grant_entry, limits_entry
from adapters.permit_store.ownership_files import name_of
from domain.errors import StorageUnavailable
from domain.limits.ledger import GrantedPermit
from domain.limits.messages import Outcome
from domain.limits.ports import RecordedPermits
from domain.limits.rates import RateLimit

ENTRIES_BEFORE_PACKING = 40_000
KEPT_DAYS = 90
KEPT_BYTES = 64 * 1024 * 1024
"""Packed permits are kept for so long, and in so much space for one account; the oldest go first."""
PATIENCE_SECONDS = 10.0
"""How long after a failure to write the next attempt is made."""
FORMAT = 1

log = logging.getLogger(__name__)


class PermitLogFile:
    """The permit log of one account in `folder`; implements `domain.limits.ports.PermitLog`.

    Its writer must hold the account's permit record. A failure to write hinders nobody: everything is kept
    in memory and written as soon as that is possible.
    """

    def __init__(
        self,
        folder: Path,
        broker: str,
        account: str,
        boot: str,
        wall_clock: Callable[[], float] = time.time,
        kept_days: float = KEPT_DAYS,
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        self._path, self._packed_folder = log_path(folder, broker, account), packed_path(folder, broker, account)
        self._boot, self._wall_clock = boot, wall_clock
        self._kept_days, self._kept_bytes = kept_days, kept_bytes
        self._notes = PermitNotes(0)
        self._packed = 0
        self._file = -1
        self._entries_left = 0
        self._retry_at = float("-inf")

    def open(self, known: RecordedPermits, now: float) -> None:
        """Go on with the log where it ends; see the port."""
        self._notes = PermitNotes(floor_us(self._wall_clock()) - floor_us(now))
        self._retry_at = float("-inf")
        try:
            self._reopen(known, now)
        except (OSError, StorageUnavailable) as error:
            self._fall_behind(error, now)

    def note_limits(self, limits: Sequence[RateLimit], now: float) -> None:
        """Note the limits that hold from now on."""
        entry = limits_entry(limits, now)
        if entry[2] != self._notes.limits:
            self._note(entry, now)

    def granted(self, job_id: str, permits: Sequence[GrantedPermit]) -> None:
        """Note permits before they are handed out."""
        self._note(grant_entry(job_id, permits), permits[0].granted_at)

    def completed(self, permit: GrantedPermit, outcome: Outcome, now: float) -> None:
        """Note that a permit's request is complete."""
        self._note(completion_entry(permit, outcome), now)

    def release(self, permit_id: str, now: float) -> None:
        """Note that a permit was never used."""
        self._note(["void", permit_id], now)

    def close(self) -> None:
        """Let go of the log; idempotent."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        self._entries_left = 0

    def _reopen(self, known: RecordedPermits, now: float) -> None:
        make_folder(self._packed_folder)
        if self._path.exists() and not self._load():
            moment_us = floor_us(now)
            self._notes.replay(["doubt", moment_us, moment_us, "the log of permits was damaged and is not whole"])
        self._notes.reconcile(known)
        self._renew(now)

    def _load(self) -> bool:
        """Read what is there; whether all of it could be read."""
        entries, is_whole = read_frames(self._path.read_bytes())
        if not entries or entries[0][:2] != ["log", FORMAT]:
            self._packed = 1 + max(map(number_of, self._packed_folder.glob("*.trail")), default=-1)
            return False
        _, _, boot, offset_us, self._packed, last_granted_us = entries[0]
        earlier = PermitNotes(offset_us, last_granted_us)
        for entry in entries[1:]:
            earlier.replay(entry)
        if boot == self._boot:
            self._notes = earlier
        else:
            earlier.lapse(None)
            self._pack(earlier)
        return is_whole

    def _note(self, entry: list[Any], now: float) -> None:
        self._notes.replay(entry)
        try:
            if self._entries_left > 0:
                self._append(frame(entry))
            elif now >= self._retry_at:
                self._renew(now)
        except (OSError, StorageUnavailable) as error:
            self._fall_behind(error, now)

    def _fall_behind(self, error: Exception, now: float) -> None:
        self._entries_left, self._retry_at = 0, now + PATIENCE_SECONDS
        log.warning("the log of permits falls behind, which hinders nobody: %s: %s", self._path, error)

    def _append(self, data: bytes) -> None:
        if os.write(self._file, data) != len(data):
            raise OSError(f"only a part of {len(data)} bytes could be written")
        self._entries_left -= 1

    def _renew(self, now: float) -> None:
        """Pack the complete permits, and begin a new file with the rest."""
        self._notes.lapse(now)
        self._pack(self._notes)
        self._drop_old()
        notes = self._notes
        head = ["log", FORMAT, self._boot, notes.completed.offset_us, self._packed, notes.last_granted_us]
        with replacing(self._path) as file:
            file.write(b"".join(frame(entry) for entry in (head, *notes.entries())))
            file.flush()
            self.close()
            self._file = os.dup(file.fileno())
        self._entries_left = ENTRIES_BEFORE_PACKING

    def _pack(self, notes: PermitNotes) -> None:
        """Put the complete permits into a file of their own; it counts once the newest file says so."""
        if not len(notes.completed) and not notes.completed.evidence_gaps:
            return
        for left_over in self._packed_folder.glob(f"{self._packed:08d}-*.trail"):
            left_over.unlink()
        first, last = (round(moment_us / 1e6) for moment_us in notes.completed.span_us())
        with replacing(self._packed_folder / f"{self._packed:08d}-{first}-{last}.trail") as file:
            file.write(pack(notes.completed))
        self._packed += 1
        notes.put_away()

    def _drop_old(self) -> None:
        files = sorted(self._packed_folder.glob("*.trail"), key=number_of, reverse=True)
        oldest, space = self._wall_clock() - self._kept_days * 86_400, 0
        for file in files:
            space += file.stat().st_size
            if space > self._kept_bytes or span_of(file)[1] < oldest:
                file.unlink()


def log_path(folder: Path, broker: str, account: str) -> Path:
    """Where the newest permits of an account are."""
    return folder / f"{name_of(broker, account)}.log"


def packed_path(folder: Path, broker: str, account: str) -> Path:
    """Where the packed ones are."""
    return log_path(folder, broker, account).with_suffix(".trails")


def number_of(packed: Path) -> int:
    """Which of the packed files it is, from 0 on."""
    return int(packed.name.partition("-")[0])


def span_of(packed: Path) -> tuple[float, float]:
    """When the first of its permits was granted and the last completed, to the second."""
    _, first, last = packed.stem.split("-")
    return float(first), float(last)
