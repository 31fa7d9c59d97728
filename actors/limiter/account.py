"""PermitAccount: the ledger of a broker account and its record, kept in step."""

from __future__ import annotations

from collections.abc import Callable

from actors.limiter.journal import PermitJournal
from domain.errors import LimiterUnavailable
from domain.limits.attached_runs import AttachedRuns
from domain.limits.cooldown import CooldownStreak
from domain.limits.grant_terms import GrantTerms
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
        self.evidence_wait_reason = ""
        self.cooldowns = 0
        self._refused_at = self._refused_until = float("-inf")
        self._journal = PermitJournal(record, log, clock)
        self._clock = clock
        self._runs = AttachedRuns(limits, clock())
        self._terms = GrantTerms()
        self.turns = PoolTurns(lambda: self.ledger, clock)
        self._streak = _streak_of(limits)
        self._is_open = False

    @property
    def is_open(self) -> bool:
        """Whether this process has the account."""
        return self._is_open

    @property
    def cooldown_seconds(self) -> float:
        """How long nothing is granted because the broker refused."""
        return max(0.0, self.ledger.cooldown_until - self._clock())

    @property
    def evidence_wait_seconds(self) -> float:
        """How long nothing is granted because permits may have been forgotten."""
        return max(0.0, self.ledger.evidence_from - self._clock())

    @property
    def cooldown_length_seconds(self) -> float:
        """The length of the latest cooldown, from its beginning to its end; 0 if there was none."""
        return self._refused_until - self._refused_at if self.cooldowns else 0.0

    def open(self) -> None:
        """Take the account, once; raises LimiterUnavailable when another process has it."""
        if not self._is_open:
            known = self._journal.open()
            self.note = known.note
            if known.agreed:
                self.limits = known.agreed
            self._runs = AttachedRuns(self.limits, self._clock())
            self._rebuild(known)
            self._is_open = True

    def close(self) -> None:
        """Release the account; idempotent."""
        self._is_open = False
        self._journal.close()

    def attach(self, run: str, limits: AccountLimits) -> bool:
        """Attach a run that needs the account to hold these limits; returns whether the limits in force change."""
        self._runs.attach(run, limits, self._clock())
        return self._limits_changed()

    def hear(self, run: str) -> bool:
        """Note that a run is still there; returns whether the limits in force change."""
        self._runs.hear(run, self._clock())
        return self._limits_changed()

    def leave(self, run: str) -> bool:
        """Detach a run, and its limits with it; returns whether the limits in force change."""
        self._runs.leave(run)
        return self._limits_changed()

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

    def end_cooldown(self) -> float:
        """Grant again although the broker refused; how many seconds of the cooldown were left."""
        left_seconds = self.cooldown_seconds
        if left_seconds > 0:
            now = self._clock()
            self._journal.end_cooldown(now)
            self.ledger.end_cooldown()
            self._refused_until = min(self._refused_until, now)
        return left_seconds

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
        granted = self.ledger.outstanding(completion.permit_id)
        if granted is None:
            return None
        now = self._clock()
        ended_at = now - completion.seconds_ago
        for usage in completion.usage:
            self.ledger.see(completion.permit_id, usage, ended_at, now)
        permit = self.ledger.complete(completion.permit_id, self._completed_at(granted, completion, ended_at), now)
        if permit is not None:
            self._journal.completed(permit, completion.outcome)
        return permit

    def valid_seconds(self, permit: GrantedPermit) -> float:
        """How long after its grant a permit may be used."""
        return (self._terms.of(permit.granted_at) or self.limits).permit_valid_seconds

    def windows(self) -> tuple[WindowStatus, ...]:
        """Every window and what it counts."""
        now = self._clock()
        ledger = self.ledger
        counts = zip(ledger.limits, ledger.counted(now), ledger.proven_others(now), ledger.others(now), strict=True)
        return tuple(WindowStatus(str(limit), limit.amount, *of_window) for limit, *of_window in counts)

    def _completed_at(self, granted: GrantedPermit, completion: Completion, ended_at: float) -> float:
        limits = self._terms.of(granted.granted_at)
        if limits is None:
            # Granted by an earlier limiter, under limits that are not known: no sooner than is sure.
            return granted.completed_at if completion.outcome is Outcome.ABANDONED else ended_at
        sent_at = ended_at - (completion.call_seconds or 0.0)
        completed_at = ended_at
        if completion.outcome is Outcome.ABANDONED:
            # A client that gives up does not stop its request: one cancelled at once travels as long as any other.
            completed_at = sent_at + limits.timeout_seconds + limits.abandoned_seconds
        if limits.uplink_seconds is None or completion.call_seconds is None:
            return completed_at
        return min(completed_at, sent_at + limits.uplink_seconds)

    def _limits_changed(self) -> bool:
        in_force = self._runs.in_force()
        if in_force == self.limits:
            return False
        self._journal.agree(in_force)
        self.limits = in_force
        self._rebuild(self._journal.known())
        return True

    def _rebuild(self, known: RecordedPermits) -> None:
        """Count all that is known again, under the limits that are in force now."""
        now = self._clock()
        self._terms.change(self.limits, now)
        self._streak = _streak_of(self.limits)
        # Waiting requests are checked again: they may have become impossible.
        self.turns = PoolTurns(lambda: self.ledger, self._clock)
        predecessor, self.ledger = self.ledger, PermitLedger(self.limits.limits)
        counted_since = now - self.ledger.longest_window_seconds
        still_counted = (permit for permit in known.permits if permit.completed_at > counted_since)
        self.ledger.restore(still_counted, known.cooldown_until, known.complete_since)
        self.ledger.inherit_others(predecessor)
        self._journal.note_limits(self.limits.limits)
        if self.evidence_wait_seconds > 0:
            self.evidence_wait_reason = self.evidence_wait_reason or _what_is_lost(known, now)


def _what_is_lost(known: RecordedPermits, now: float) -> str:
    if known.complete_since > now:
        return known.note
    return "the permit record does not reach back over the whole of the longest window"


def _streak_of(limits: AccountLimits) -> CooldownStreak:
    return CooldownStreak(limits.shortest.window_seconds, limits.longest_flight_seconds)
