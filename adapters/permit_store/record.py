"""PermitRecordFile: one account's permits in a user-level file that outlives every process.

Moments are readings of the clock that began with the machine, see `adapters.boot_clock`; the boot's identity tells
whether they still mean anything. An entry is written (not fsynced) before
its permit is handed out: it survives any kill of this process, and a power cut ends the boot.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adapters.boot_clock import boot_identity, boot_seconds, monotonic_identity
from adapters.files.atomic import make_folder, replacing, storage_errors
from adapters.permit_store.frames import agreement_entry, frame, grant_entry, read_frames
from adapters.permit_store.history import PermitHistory
from adapters.permit_store.ownership_files import name_of
from domain.errors import LimiterUnavailable, StorageUnavailable
from domain.limits.ledger import GrantedPermit
from domain.limits.ports import AccountOwners, AccountOwnership, RecordedPermits
from domain.limits.rates import AccountLimits

FRAMES_BEFORE_COMPACTION = 4_000
_FORMAT = 2
_READABLE_FORMATS = (1, _FORMAT)
"""Format 1 knew no pools: a permit of that time counts in all of them."""


class PermitRecordFile:
    """The permit record of one broker account in `folder`; implements `domain.limits.ports.PermitRecord`.

    `session` tells a limiter that was restarted from one that is new: only the former keeps to limits
    in force before. `holder` is what a second run is told about who has the account.
    """

    def __init__(
        self,
        folder: Path,
        limits: AccountLimits,
        owners: AccountOwners,
        holder: str,
        session: str,
        boot: str | None = None,
    ) -> None:
        self._limits, self._owners, self._holder, self._session = limits, owners, holder, session
        self._boot = boot or boot_identity()
        self._folder, self._name = folder, name_of(limits.broker, limits.account)
        self._path = folder / f"{self._name}.permits"
        self._accounts_path = folder / "accounts"
        self._ownership: AccountOwnership | None = None
        self._history = PermitHistory(limits, session)
        self._file = -1
        self._frames_left = 0

    def open(self) -> RecordedPermits:
        """Take the account and read what is known; see the port."""
        try:
            make_folder(self._folder)
            self._take_account()
            self._history = PermitHistory(self._limits, self._session)
            with storage_errors(self._path):
                self._load(boot_seconds())
            self._rewrite(boot_seconds())
        except StorageUnavailable as error:
            self.close()
            raise LimiterUnavailable(f"no permit is granted without its record: {error}") from error
        return self.known()

    def known(self) -> RecordedPermits:
        """What is known now."""
        return self._history.recorded()

    def granted(self, permits: Sequence[GrantedPermit]) -> None:
        """Write the permits down, in one frame, before they are handed out."""
        for permit in permits:
            self._history.grant(permit)
        try:
            self._write(grant_entry(permits))
        except StorageUnavailable:
            for permit in permits:
                self._history.release(permit.permit_id)
            raise

    def completed(self, permit: GrantedPermit) -> None:
        """Note that a permit's request is complete."""
        self._history.end(permit)
        self._write(["over", permit.permit_id, permit.completed_at])

    def release(self, permit_id: str) -> None:
        """Note that a permit was never used."""
        if self._history.release(permit_id):
            self._write(["void", permit_id])

    def cool_down(self, until: float) -> None:
        """Note that the broker wants nothing before that moment."""
        self._history.cool_down(until)
        self._write(["seal", until])

    def end_cooldown(self, now: float) -> None:
        """Note that an operator ended the cooldown, or let it hold on."""
        until = self._history.cooldown_until
        self._history.end_cooldown(now)
        try:
            self._write(["cooldown_ended", now])
        except StorageUnavailable:
            self._history.cool_down(until)
            raise

    def agree(self, limits: AccountLimits) -> None:
        """Note the limits that are in force in this session from now on."""
        self._history.agree(limits)
        self._write(agreement_entry(self._session, limits))

    def close(self) -> None:
        """Let go of the account; idempotent."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        if self._ownership is not None:
            ownership, self._ownership = self._ownership, None
            ownership.release()

    def _take_account(self) -> None:
        if self._ownership is not None:
            return
        broker, account = self._limits.broker, self._limits.account
        self._ownership = self._owners.claim(broker, account, self._holder)
        if self._ownership is None:
            holder = self._owners.find(broker, account) or "another process"
            raise LimiterUnavailable(
                f"the account {account!r} of {broker} is in use by {holder}: "
                "wait for it, shut it down, or collect through another account"
            )

    def _load(self, now: float) -> None:
        if not self._path.exists():
            self._start_without_record(now)
            return
        entries, is_whole = read_frames(self._path.read_bytes())
        if not entries or entries[0][0] != "record" or entries[0][1] not in _READABLE_FORMATS:
            self._distrust(now, "the permit record cannot be read")
            return
        _, _, boot, complete_since = entries[0]
        if boot != self._boot:
            # Its clock means nothing on ours, and it may be another machine's that stopped a moment ago.
            what = "the permit record is from before the machine started, or of another machine"
            if boot == monotonic_identity():
                what = "the permit record is of an earlier version, whose clock stood still while the machine slept"
            self._distrust(now, what, self._longest_flight_seconds(entries))
            return
        self._history.complete_since = complete_since
        for entry in entries[1:]:
            self._history.replay(entry)
        self._history.note = f"the permit record holds {len(self._history)} permits"
        if not is_whole:
            self._distrust(now, "the permit record is torn", self._longest_flight_seconds(entries))

    def _start_without_record(self, now: float) -> None:
        accounts = self._accounts_path.read_text(errors="replace").splitlines() if self._accounts_path.exists() else []
        if self._name in accounts:
            self._distrust(now, "the permit record is missing")
            return
        with self._accounts_path.open("a") as known:
            known.write(f"{self._name}\n")
        self._history.note = "the account is used for the first time on this machine"

    def _longest_flight_seconds(self, entries: list[list[Any]]) -> float:
        """The longest flight of what the record lost: ours, or the longest that it still holds."""
        granted = (entry for entry in entries if entry[0] == "lent")
        flights: list[float] = [bound - granted for _, _, _, granted, bound, *_ in granted]
        return max([self._limits.longest_flight_seconds, *flights])

    def _distrust(self, now: float, what: str, flight_seconds: float = 0.0) -> None:
        known_from = now + max(flight_seconds, self._limits.longest_flight_seconds)
        self._history.complete_since = max(self._history.complete_since, known_from)
        self._history.note = f"{what}: waiting until nothing sent before can count any more"

    def _rewrite(self, now: float) -> None:
        self._history.drop_old(now)
        entries = [["record", _FORMAT, self._boot, self._history.complete_since], *self._history.entries(now)]
        with replacing(self._path) as file:
            file.write(b"".join(frame(entry) for entry in entries))
            file.flush()
            if self._file >= 0:
                os.close(self._file)
            self._file = os.dup(file.fileno())
        self._frames_left = FRAMES_BEFORE_COMPACTION + len(entries)

    def _write(self, entry: list[Any]) -> None:
        """Append what the history has already; now and then, and after a failure, rewrite the whole file."""
        if self._ownership is None:
            raise StorageUnavailable(str(self._path), "the account was let go")
        try:
            if self._frames_left <= 0:
                self._rewrite(boot_seconds())
            else:
                with storage_errors(self._path):
                    self._append(frame(entry))
        except StorageUnavailable:
            self._frames_left = 0
            raise

    def _append(self, data: bytes) -> None:
        if os.write(self._file, data) != len(data):
            raise OSError(f"only a part of {len(data)} bytes could be written")
        self._frames_left -= 1
