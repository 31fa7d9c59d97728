"""PermitAccount: the ledger of a broker account and its record, kept in step."""

from __future__ import annotations

from collections.abc import Callable

from actors.limiter.journal import PermitJournal
from domain.errors import LimiterUnavailable
from domain.limits.cooldown import CooldownStreak
from domain.limits.ledger import GrantedPermit, PermitLedger
from domain.limits.messages import Completion, Outcome, PermitRequest, WindowStatus
from domain.limits.permit_bundles import MOST_PERMITS, permit_ids
from domain.limits.pool_turns import PoolTurns
from domain.limits.ports import PermitLog, PermitRecord, RecordedPermits
from domain.limits.rates import AccountLimits


class PermitAccount:
    """Grants, completes and releases permits. A permit that cannot be recorded raises LimiterUnavailable instead."""

    def __init__(
        self, limits: AccountLimits, record: PermitRecord, clock: Callable[[], float], log: PermitLog | None = None
    ) -> None:
        self.limits = limits
        self.ledger = PermitLedger(limits.limits)
        self.note = ""
        self.cooldown_reason = ""
        self.cooldowns = 0
        self._refused_at = self._refused_until = float("-inf")
        self._journal = PermitJournal(record, log, clock)
        self._clock = clock
        self.turns = PoolTurns(lambda: self.ledger, clock)
        self._streak = _streak_of(limits)
        self._is_open = False

    @property
    def is_open(self) -> bool:
        """Whether this process has the account."""
        return self._is_open

    @property
    def cooldown_seconds(self) -> float:
        """How long nothing will be granted."""
        return max(0.0, self.ledger.cooldown_until - self._clock())

    @property
    def cooldown_length_seconds(self) -> float:
        """The length of the latest cooldown, from its beginning to its end; 0 if there was none."""
        return self._refused_until - self._refused_at if self.cooldowns else 0.0

    def open(self) -> None:
        """Take the account, once; raises LimiterUnavailable when another process has it."""
        if not self._is_open:
            known = self._journal.open()
            self.note = known.note
            self._rebuild(known)
            self._is_open = True

    def close(self) -> None:
        """Release the account; idempotent."""
        self._is_open = False
        self._journal.close()

    def agree(self, limits: AccountLimits) -> bool:
        """Apply the stricter of both limits from now on; False if that changes nothing."""
        stricter = self.limits.stricter(limits)
        if stricter == self.limits:
            return False
        self._journal.agree(stricter)
        self._rebuild(self._journal.known())
        return True

    def cool_down(self, retry_after_seconds: float | None, reason: str) -> None:
        """Grant nothing until the broker takes requests again; see `CooldownStreak`."""
        now = self._clock()
        until = now + self._streak.cooldown_seconds(retry_after_seconds, now, self.ledger.cooldown_until)
        if now >= self._refused_until:
            self.cooldowns += 1
            self._refused_at = now
        self._refused_until = max(until, self._refused_until)
        self.ledger.cool_down(until)
        self.cooldown_reason = reason
        self._journal.cool_down(until)

    def check_possible(self, request: PermitRequest) -> None:
        """Raise PermitImpossible when some window is smaller than one permit of the request."""
        self.ledger.check_possible(request.tokens, request.pool)

    def outstanding(self, ticket: str, most_permits: int = MOST_PERMITS) -> tuple[GrantedPermit, ...]:
        """The permits granted to the ticket, one or a bundle, whose requests are not known to be complete."""
        if one := self.ledger.outstanding(ticket):
            return (one,)
        numbered = map(self.ledger.outstanding, permit_ids(ticket, min(most_permits, MOST_PERMITS)))
        return tuple(permit for permit in numbered if permit)

    def grant(self, ticket: str, request: PermitRequest, permits: int) -> tuple[GrantedPermit, ...]:
        """Grant permits to a ticket; they are recorded before they are handed out."""
        now = self._clock()
        complete_by = now + self.limits.longest_flight_seconds
        granted = self.ledger.grant_all(permit_ids(ticket, permits), request.tokens, now, complete_by, request.pool)
        try:
            self._journal.granted(request.job_id, granted)
        except LimiterUnavailable:
            for permit in granted:
                self.ledger.release(permit.permit_id, now)
            raise
        return granted

    def release(self, ticket: str) -> tuple[GrantedPermit, ...]:
        """Release the permits of a ticket, or the one permit of that id: they will never be used."""
        now = self._clock()
        unused = self.outstanding(ticket)
        for permit in unused:
            self.ledger.release(permit.permit_id, now)
            self._journal.release(permit.permit_id)
        return unused

    def complete(self, completion: Completion) -> GrantedPermit | None:
        """Complete a permit that was used; None if it is unknown, or was completed or released before.

        The broker's own counts are considered first: they can only delay grants.
        """
        now = self._clock()
        ended_at = now - completion.seconds_ago
        for usage in completion.usage:
            self.ledger.see(completion.permit_id, usage, ended_at, now)
        permit = self.ledger.complete(completion.permit_id, self._completed_at(completion, ended_at), now)
        if permit is not None:
            self._journal.completed(permit, completion.outcome)
        return permit

    def windows(self) -> tuple[WindowStatus, ...]:
        """Every window and what it counts."""
        now = self._clock()
        ledger = self.ledger
        counts = zip(ledger.limits, ledger.counted(now), ledger.proven_others(now), ledger.others(now), strict=True)
        return tuple(WindowStatus(str(limit), limit.amount, *of_window) for limit, *of_window in counts)

    def _completed_at(self, completion: Completion, ended_at: float) -> float:
        limits = self.limits
        sent_at = ended_at - (completion.call_seconds or 0.0)
        completed_at = ended_at
        if completion.outcome is Outcome.ABANDONED:
            # A client that gives up does not stop its request: one cancelled at once travels as long as any other.
            completed_at = sent_at + limits.timeout_seconds + limits.abandoned_seconds
        if limits.uplink_seconds is None or completion.call_seconds is None:
            return completed_at
        return min(completed_at, sent_at + limits.uplink_seconds)

    def _rebuild(self, known: RecordedPermits) -> None:
        if known.agreed:
            self.limits = self.limits.stricter(known.agreed)
        self._streak = _streak_of(self.limits)
        # Waiting requests are checked again: they may have become impossible.
        self.turns = PoolTurns(lambda: self.ledger, self._clock)
        predecessor, self.ledger = self.ledger, PermitLedger(self.limits.limits)
        counted_since = self._clock() - self.ledger.longest_window_seconds
        still_counted = (permit for permit in known.permits if permit.completed_at > counted_since)
        self.ledger.restore(still_counted, known.cooldown_until)
        self.ledger.inherit_others(predecessor)
        self._journal.note_limits(self.limits.limits)
        knows_all_from = known.complete_since + self.ledger.longest_window_seconds
        if knows_all_from > max(self._clock(), self.ledger.cooldown_until):
            self.cooldown_reason = known.note
        self.ledger.cool_down(knows_all_from)


def _streak_of(limits: AccountLimits) -> CooldownStreak:
    return CooldownStreak(limits.shortest.window_seconds, limits.longest_flight_seconds)
