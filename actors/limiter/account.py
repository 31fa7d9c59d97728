"""PermitAccount: the ledger of a broker account and its record, kept in step."""

from __future__ import annotations

from collections.abc import Callable

from actors.limiter.journal import PermitBooks
from domain.errors import LimiterUnavailable
from domain.limits.cooldown import RefusalStreak
from domain.limits.ledger import LentPermit, PermitLedger
from domain.limits.messages import Outcome, PermitRequest, Settlement, WindowStatus
from domain.limits.permit_bundles import MOST_PERMITS, permit_ids
from domain.limits.pool_turns import PoolTurns
from domain.limits.ports import PermitLog, PermitRecord, RecordedPermits
from domain.limits.rates import AccountLimits


class PermitAccount:
    """What holds for the account now. Whatever cannot be noted raises LimiterUnavailable and is not granted."""

    def __init__(
        self, limits: AccountLimits, record: PermitRecord, clock: Callable[[], float], log: PermitLog | None = None
    ) -> None:
        self.limits = limits
        self.ledger = PermitLedger(limits.limits)
        self.note = ""
        self.sealed_reason = ""
        self.seals = 0
        self._refused_at = self._refused_until = float("-inf")
        self._books = PermitBooks(record, log, clock)
        self._clock = clock
        self.turns = PoolTurns(lambda: self.ledger, clock)
        self._refusals = _refusals_of(limits)
        self._is_open = False

    @property
    def is_open(self) -> bool:
        """Whether this process has the account."""
        return self._is_open

    @property
    def sealed_seconds(self) -> float:
        """For how long nothing is granted."""
        return max(0.0, self.ledger.sealed_until - self._clock())

    @property
    def seal_seconds(self) -> float:
        """How long the latest seal of the broker is, or was, from its beginning to its end; 0 if there was none."""
        return self._refused_until - self._refused_at if self.seals else 0.0

    def open(self) -> None:
        """Take the account if that was not done; raises LimiterUnavailable when another process has it."""
        if not self._is_open:
            known = self._books.open()
            self.note = known.note
            self._rebuild(known)
            self._is_open = True

    def close(self) -> None:
        """Let go of the account; idempotent."""
        self._is_open = False
        self._books.close()

    def agree(self, limits: AccountLimits) -> bool:
        """Hold to the stricter of both from now on; False if that changes nothing."""
        stricter = self.limits.stricter(limits)
        if stricter == self.limits:
            return False
        self._books.agree(stricter)
        self._rebuild(self._books.known())
        return True

    def seal(self, retry_after_seconds: float | None, reason: str) -> None:
        """Grant nothing until the broker takes requests again; see `RefusalStreak`."""
        now = self._clock()
        until = now + self._refusals.silence_seconds(retry_after_seconds, now, self.ledger.sealed_until)
        if now >= self._refused_until:
            self.seals += 1
            self._refused_at = now
        self._refused_until = max(until, self._refused_until)
        self.ledger.seal(until)
        self.sealed_reason = reason
        self._books.seal(until)

    def check_possible(self, request: PermitRequest) -> None:
        """Raise PermitImpossible when some window is smaller than one permit of the request."""
        self.ledger.check_possible(request.tokens, request.pool)

    def lent(self, ticket: str, most_permits: int = MOST_PERMITS) -> tuple[LentPermit, ...]:
        """The permits granted to the ticket whose requests are not known to be over: any of its lease, or none."""
        if one := self.ledger.lent(ticket):
            return (one,)
        numbered = map(self.ledger.lent, permit_ids(ticket, min(most_permits, MOST_PERMITS)))
        return tuple(permit for permit in numbered if permit)

    def lend(self, ticket: str, request: PermitRequest, permits: int) -> tuple[LentPermit, ...]:
        """Lend permits to a ticket, noted before they are handed out."""
        now = self._clock()
        over_by = now + self.limits.longest_flight_seconds
        lent = self.ledger.lend_all(permit_ids(ticket, permits), request.tokens, now, over_by, request.pool)
        try:
            self._books.lent(request.job_id, lent)
        except LimiterUnavailable:
            for permit in lent:
                self.ledger.void(permit.permit_id, now)
            raise
        return lent

    def void(self, ticket: str) -> tuple[LentPermit, ...]:
        """Count the permits of a ticket no more, or the one permit of that id: they will never be used."""
        now = self._clock()
        unused = self.lent(ticket)
        for permit in unused:
            self.ledger.void(permit.permit_id, now)
            self._books.void(permit.permit_id)
        return unused

    def take_back(self, settlement: Settlement) -> LentPermit | None:
        """Count a permit that was used to its end; None if it is unknown or was taken back before.

        What the broker told of its own counts is taken in on the way: it can only delay what is granted.
        """
        now = self._clock()
        ended_at = now - settlement.seconds_ago
        for usage in settlement.usage:
            self.ledger.see(settlement.permit_id, usage, ended_at, now)
        permit = self.ledger.settle(settlement.permit_id, self._over_at(settlement, ended_at), now)
        if permit is not None:
            self._books.over(permit, settlement.outcome)
        return permit

    def windows(self) -> tuple[WindowStatus, ...]:
        """Every window and what it counts."""
        now = self._clock()
        counts = zip(self.ledger.limits, self.ledger.counted(now), self.ledger.others(now), strict=True)
        return tuple(WindowStatus(str(limit), limit.amount, counted, others) for limit, counted, others in counts)

    def _over_at(self, settlement: Settlement, ended_at: float) -> float:
        limits = self.limits
        sent_at = ended_at - (settlement.call_seconds or 0.0)
        over_at = ended_at
        if settlement.outcome is Outcome.STRAY:
            # The network does not know when its client gave up: one cancelled at once travels as long as any other.
            over_at = sent_at + limits.timeout_seconds + limits.stray_seconds
        if limits.uplink_seconds is None or settlement.call_seconds is None:
            return over_at
        return min(over_at, sent_at + limits.uplink_seconds)

    def _rebuild(self, known: RecordedPermits) -> None:
        if known.agreed:
            self.limits = self.limits.stricter(known.agreed)
        self._refusals = _refusals_of(self.limits)
        # Who waits is asked anew: what they want may have become impossible.
        self.turns = PoolTurns(lambda: self.ledger, self._clock)
        predecessor, self.ledger = self.ledger, PermitLedger(self.limits.limits)
        counted_since = self._clock() - self.ledger.longest_window_seconds
        still_counted = (permit for permit in known.permits if permit.over_at > counted_since)
        self.ledger.restore(still_counted, known.sealed_until)
        self.ledger.inherit_others(predecessor)
        self._books.hold_to(self.limits.limits)
        knows_all_from = known.complete_since + self.ledger.longest_window_seconds
        if knows_all_from > max(self._clock(), self.ledger.sealed_until):
            self.sealed_reason = known.note
        self.ledger.seal(knows_all_from)


def _refusals_of(limits: AccountLimits) -> RefusalStreak:
    return RefusalStreak(limits.shortest.window_seconds, limits.longest_flight_seconds)
