"""PermitJournal: an account's permit record and permit log, written together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from domain.errors import LimiterUnavailable, StorageUnavailable
from domain.limits.ledger import GrantedPermit
from domain.limits.messages import Outcome
from domain.limits.ports import PermitLog, PermitRecord, RecordedPermits
from domain.limits.rates import AccountLimits, RateLimit


class PermitJournal:
    """Writes the record, on which the guarantee rests, and the log, if there is one, which proves it afterwards.

    A failed write of the record raises LimiterUnavailable; one of the log never does. The log is written first. After a
    crash between the two it compares itself with the record: it then has no permit that was not granted, and no
    completion later than the real one.
    """

    def __init__(self, record: PermitRecord, log: PermitLog | None, clock: Callable[[], float]) -> None:
        self._record, self._log, self._clock = record, log, clock

    def open(self) -> RecordedPermits:
        """Take the account, see `PermitRecord.open`."""
        known = self._record.open()
        if self._log:
            self._log.open(known, self._clock())
        return known

    def known(self) -> RecordedPermits:
        """The permits that the record has."""
        return self._record.known()

    def note_limits(self, limits: Sequence[RateLimit]) -> None:
        """Note the limits that grants are audited by from now on."""
        if self._log:
            self._log.note_limits(limits, self._clock())

    def agree(self, limits: AccountLimits) -> None:
        """Note the limits that are in force in this session from now on."""
        with _noting():
            self._record.agree(limits)

    def granted(self, job_id: str, permits: Sequence[GrantedPermit]) -> None:
        """Note a job's permits, before they are handed out."""
        if self._log:
            self._log.granted(job_id, permits)
        try:
            with _noting():
                self._record.granted(permits)
        except LimiterUnavailable:
            if self._log:
                for permit in permits:
                    self._log.release(permit.permit_id, self._clock())
            raise

    def completed(self, permit: GrantedPermit, outcome: Outcome) -> None:
        """Note that a permit's request is complete."""
        if self._log:
            self._log.completed(permit, outcome, self._clock())
        with _noting():
            self._record.completed(permit)

    def release(self, permit_id: str) -> None:
        """Note that a permit was never used."""
        if self._log:
            self._log.release(permit_id, self._clock())
        with _noting():
            self._record.release(permit_id)

    def cool_down(self, until: float) -> None:
        """Note that nothing may be granted before `until`."""
        with _noting():
            self._record.cool_down(until)

    def end_cooldown(self, now: float) -> None:
        """An operator ended the cooldown."""
        with _noting():
            self._record.end_cooldown(now)

    def close(self) -> None:
        """Release the account; idempotent."""
        if self._log:
            self._log.close()
        self._record.close()


@contextmanager
def _noting() -> Iterator[None]:
    try:
        yield
    except StorageUnavailable as error:
        raise LimiterUnavailable(f"no permit is granted without its record: {error}") from error
