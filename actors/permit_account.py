"""PermitAccount: the ledger of a broker account and its record, kept in step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from domain.errors import LimiterUnavailable, StorageUnavailable
from domain.grants import Outcome, Settlement, WindowStatus
from domain.permits import LentPermit, PermitLedger
from domain.ports import PermitRecord, RecordedPermits
from domain.rates import AccountLimits
from domain.refusals import RefusalStreak


class PermitAccount:
    """What holds for the account now. Whatever cannot be noted raises LimiterUnavailable and is not granted."""

    def __init__(self, limits: AccountLimits, record: PermitRecord, clock: Callable[[], float]) -> None:
        self.limits = limits
        self.ledger = PermitLedger(limits.limits)
        self.note = ""
        self.sealed_reason = ""
        self._record = record
        self._clock = clock
        self._refusals = _refusals_of(limits)
        self._is_open = False

    @property
    def sealed_seconds(self) -> float:
        """For how long nothing is granted."""
        return max(0.0, self.ledger.sealed_until - self._clock())

    def open(self) -> None:
        """Take the account if that was not done; raises LimiterUnavailable when another process has it."""
        if not self._is_open:
            known = self._record.open()
            self.note = known.note
            self._rebuild(known)
            self._is_open = True

    def close(self) -> None:
        """Let go of the account; idempotent."""
        self._is_open = False
        self._record.close()

    def agree(self, limits: AccountLimits) -> bool:
        """Hold to the stricter of both from now on; False if that changes nothing."""
        stricter = self.limits.stricter(limits)
        if stricter == self.limits:
            return False
        with _noting():
            self._record.agree(stricter)
        self._rebuild(self._record.known())
        return True

    def seal(self, retry_after_seconds: float | None, reason: str) -> None:
        """Grant nothing until the broker takes requests again; see `RefusalStreak`."""
        now = self._clock()
        until = now + self._refusals.silence_seconds(retry_after_seconds, now, self.ledger.sealed_until)
        self.ledger.seal(until)
        self.sealed_reason = reason
        with _noting():
            self._record.seal(until)

    def wait_seconds(self, tokens: int, pool: str = "") -> float:
        """How long until such a permit may be lent; 0 means now."""
        return self.ledger.wait_seconds(tokens, self._clock(), pool)

    def lend(self, permit_id: str, tokens: int, pool: str = "") -> LentPermit:
        """Lend a permit, noted before it is handed out."""
        now = self._clock()
        permit = self.ledger.lend(permit_id, tokens, now, now + self.limits.longest_flight_seconds, pool)
        try:
            with _noting():
                self._record.lent(permit)
        except LimiterUnavailable:
            self.ledger.void(permit_id, now)
            raise
        return permit

    def take_back(self, settlement: Settlement) -> LentPermit | None:
        """Count the permit to its end, or no more if it was unused; None if it is unknown or was taken back before.

        What the broker told of its own counts is taken in on the way: it can only delay what is granted.
        """
        now = self._clock()
        ended_at = now - settlement.seconds_ago
        for usage in settlement.usage:
            self.ledger.see(settlement.permit_id, usage, ended_at, now)
        if settlement.outcome is Outcome.UNUSED:
            permit = self.ledger.void(settlement.permit_id, now)
        else:
            permit = self.ledger.settle(settlement.permit_id, self._over_at(settlement, ended_at), now)
        with _noting():
            if permit is not None and permit.is_over:
                self._record.over(permit)
            elif permit is not None:
                self._record.void(permit.permit_id)
        return permit

    def windows(self) -> tuple[WindowStatus, ...]:
        """Every window and what it counts."""
        now = self._clock()
        counts = zip(self.ledger.limits, self.ledger.counted(now), self.ledger.others(now), strict=True)
        return tuple(WindowStatus(str(limit), limit.amount, counted, others) for limit, counted, others in counts)

    def _over_at(self, settlement: Settlement, ended_at: float) -> float:
        over_at = ended_at + (self.limits.stray_seconds if settlement.outcome is Outcome.STRAY else 0.0)
        if self.limits.uplink_seconds is None or settlement.call_seconds is None:
            return over_at
        return min(over_at, ended_at - settlement.call_seconds + self.limits.uplink_seconds)

    def _rebuild(self, known: RecordedPermits) -> None:
        if known.agreed:
            self.limits = self.limits.stricter(known.agreed)
        self._refusals = _refusals_of(self.limits)
        predecessor, self.ledger = self.ledger, PermitLedger(self.limits.limits)
        self.ledger.restore(known.permits, known.sealed_until)
        self.ledger.inherit_others(predecessor)
        self.ledger.seal(known.complete_since + self.ledger.longest_window_seconds)


def _refusals_of(limits: AccountLimits) -> RefusalStreak:
    return RefusalStreak(limits.shortest.window_seconds, limits.longest_flight_seconds)


@contextmanager
def _noting() -> Iterator[None]:
    try:
        yield
    except StorageUnavailable as error:
        raise LimiterUnavailable(f"no permit is granted without its record: {error}") from error
