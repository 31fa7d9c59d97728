"""PermitLedger: when may the next request leave?"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from domain.limits.rates import RateLimit
from domain.limits.usage import BrokerUsage
from domain.limits.windows import Marks, PermitWindow


@dataclass(frozen=True, slots=True)
class GrantedPermit:
    """A permit as the ledger keeps it; moments are seconds on one clock, which nobody sets.

    `completed_at` is when its request was known to be complete, or, while that is not known, the latest moment
    at which the request could still arrive.
    """

    permit_id: str
    tokens: int
    granted_at: float
    completed_at: float
    has_completed: bool = False
    pool: str = ""

    def ended(self, completed_at: float) -> GrantedPermit:
        """The same permit, its request known to be complete since then."""
        return GrantedPermit(self.permit_id, self.tokens, self.granted_at, completed_at, True, self.pool)


class PermitLedger:
    """Grants permits so that no window of the broker can ever hold more than its limit.

    A permit counts against every window of its pool from its grant until one window length after its request
    is known to be complete. A new one is granted only if, in each window, counted + asked <= limit.

    Claim: for every limit, with window length W, no closed interval [t, t + W] sees arrivals worth more, if the
    limit was in force when the last of them was granted.

    Proof. Every request arrives between its grant g and its completion e, so g <= arrival <= e. Take the
    requests that the limit is for and that arrive in [t, t + W], and of these the one granted last, at g*.
    It arrived in the interval, so g* <= t + W. Any other one of them was granted before it, and arrived
    at t or later, so e >= t: it counts until e + W' >= t + W' > t + W >= g*, where W' is the widened W. So all
    of them counted when the last was granted, and the ledger granted it only because together they fitted.
    The proof uses one limit and nothing of the others, so it holds for each of several at once. QED

    The order of grants is the order of the calls of `grant`, whatever moments come with them: `now` never goes
    back. A successor counts every permit of its predecessor (`restore`), whatever limits that one kept, and grants
    nothing until those that it may not know of have left its longest window. So limits may change midway, and get
    stricter or looser: the proof asks only that all of them counted, under the limits of g*, when the last was
    granted. What was granted under the earlier limits, to a run that has left or to one that stays, counts on; it
    is complete no sooner than the flight says that its own grant was made with.

    Two waits hold up every grant. The one for lost evidence is the successor's above: the proof needs it, so it
    ends by itself and by nothing else. The cooldown, after the broker's refusal, only ever delays: the proof does
    not need it, and it may be ended at any moment (`end_cooldown`).

    What this rests on: `completed_at` is never too early.
    - An answered request is complete when its headers are in: it had arrived.
    - An abandoned one, however soon it was given up, is complete `timeout_seconds + abandoned_seconds` after it
      was sent: it arrives by then, or never.
    - One of which nothing is heard is complete at the bound it was granted with: permits are checked right before
      the first byte and useless after `permit_valid_seconds`, and it is given up `timeout_seconds` later.
      A later word does not extend the bound.
    - Only where the user vouches for it, one that was sent is complete `uplink_seconds` later, answered or not.
    Windows are widened (W' = W x 1.001 + 1 ms) for a broker whose clock runs slow and whose window edges are
    closed. Brokers that begin a new count at each full minute see less than the fullest sliding window.

    What other programs on the account use is outside the claim. What the broker says of it (`see`) counts on
    top of our own permits, so it can only delay a grant, and the proof stands as it is.

    Source: the argument is that of a lease, which bounds its holder's last action (C. Gray and D. Cheriton,
    "Leases: An Efficient Fault-Tolerant Mechanism for Distributed File Cache Consistency", SOSP 1989), applied
    to a sliding window.
    """

    def __init__(self, limits: Sequence[RateLimit]) -> None:
        if not limits:
            raise ValueError("a ledger needs at least one limit")
        self._windows = [PermitWindow(limit) for limit in limits]
        self._outstanding: dict[str, GrantedPermit] = {}
        self._marks: dict[str, list[Marks]] = {}
        self._bounds: list[tuple[float, str]] = []
        self._cooldown_until = float("-inf")
        self._evidence_from = float("-inf")
        self._now = float("-inf")

    @property
    def limits(self) -> tuple[RateLimit, ...]:
        return tuple(window.limit for window in self._windows)

    def check_possible(self, tokens: int, pool: str = "") -> None:
        """Raise PermitImpossible when some window is smaller than that; ValueError for less than one token."""
        if tokens < 1:
            raise ValueError(f"a permit is for one token at least, not {tokens}")
        for limit in self.limits:
            limit.check_possible(tokens, pool)

    def wait_seconds(self, tokens: int, now: float, pool: str = "", permits: int = 1) -> float:
        """How long until so many such permits may be granted together; 0 means now.

        Granted permits are taken to last until their bounds: when a request completes sooner, ask again.
        """
        self._advance(now)
        free_at = max(window.free_at(tokens, pool, permits) for window in self._windows)
        return max(0.0, max(free_at, self._cooldown_until, self._evidence_from) - self._now)

    def is_contended(self, tokens: int, now: float, pool: str, permits: int, other_pool: str) -> bool:
        """Whether such permits wait only for windows in which requests of the other pool count, too."""
        self._advance(now)
        full = [window for window in self._windows if not window.has_room(tokens, pool, permits)]
        return bool(full) and all(window.limit.cost(1, other_pool) for window in full)

    def grant(self, permit_id: str, tokens: int, now: float, complete_by: float, pool: str = "") -> GrantedPermit:
        """Grant a permit whose request arrives by `complete_by` at the latest, whatever happens.

        Raises ValueError when it may not be granted now (ask `wait_seconds` first), or is granted already.
        """
        return self.grant_all([permit_id], tokens, now, complete_by, pool)[0]

    def grant_all(
        self, permit_ids: Sequence[str], tokens: int, now: float, complete_by: float, pool: str = ""
    ) -> tuple[GrantedPermit, ...]:
        """Grant several permits of one weight, all or none; each completes on its own. Raises as `grant` does."""
        if not self._outstanding.keys().isdisjoint(permit_ids):
            raise ValueError(f"a permit of {', '.join(permit_ids)} is granted already")
        if self.wait_seconds(tokens, now, pool, len(permit_ids)) > 0:
            raise ValueError(f"{', '.join(permit_ids)} may not be granted yet")
        marks, completed_at = [window.marks() for window in self._windows], max(complete_by, self._now)
        permits = tuple(GrantedPermit(each, tokens, self._now, completed_at, pool=pool) for each in permit_ids)
        for permit in permits:
            self._marks[permit.permit_id] = marks
            self._count(permit)
        return permits

    def restore(
        self,
        permits: Iterable[GrantedPermit],
        cooldown_until: float = float("-inf"),
        complete_since: float = float("-inf"),
    ) -> None:
        """Count permits that an earlier ledger granted, whether or not they fit the limits.

        They are all that were complete, or could arrive, after `complete_since`: nothing is granted until any others
        have left every window.
        """
        for permit in permits:
            self._count(permit)
        self.cool_down(cooldown_until)
        self._evidence_from = max(self._evidence_from, complete_since + self.longest_window_seconds)

    def complete(self, permit_id: str, completed_at: float, now: float) -> GrantedPermit | None:
        """Note that the permit's request was complete at `completed_at`; None if that is known, or the permit is not.

        A moment later than its bound, or before its grant, is taken as that bound or that grant.
        """
        self._advance(now)
        permit = self._forget(permit_id)
        if permit is None:
            return None
        return self._end(permit, min(max(completed_at, permit.granted_at), permit.completed_at))

    def release(self, permit_id: str, now: float) -> GrantedPermit | None:
        """Note that the permit will never be used: it counts no more. None if unknown."""
        self._advance(now)
        permit = self._forget(permit_id)
        if permit is not None:
            for window, cost in self._costs(permit):
                window.release(cost, permit.completed_at)
        return permit

    def see(self, permit_id: str, usage: BrokerUsage, answered_at: float, now: float) -> None:
        """Use what the broker counted when it answered the permit's request; call it before `complete`.

        It only ever delays grants. It is ignored where the permit is unknown, or an earlier ledger's: what of the
        broker's count is our own cannot be told then.
        """
        self._advance(now)
        for window, marks in zip(self._windows, self._marks.get(permit_id, ()), strict=False):
            if usage.is_about(window.limit):
                window.see(usage, marks, answered_at)

    def inherit_others(self, predecessor: PermitLedger) -> None:
        """Go on counting what an earlier ledger knew to be used by others."""
        for window in self._windows:
            for earlier in predecessor._windows:
                if earlier.limit.window == window.limit.window:
                    window.inherit_others(earlier)

    def cool_down(self, until: float) -> None:
        """Grant nothing before that moment; an earlier one than already set changes nothing."""
        self._cooldown_until = max(self._cooldown_until, until)

    def end_cooldown(self) -> None:
        """Grant again although the broker refused; the wait for lost evidence stays what it is."""
        self._cooldown_until = float("-inf")

    @property
    def cooldown_until(self) -> float:
        """When the broker's refusal is over."""
        return self._cooldown_until

    @property
    def evidence_from(self) -> float:
        """From when on every permit that counts is known: nothing is granted before."""
        return self._evidence_from

    def outstanding(self, permit_id: str) -> GrantedPermit | None:
        """The permit, while its request is not known to be complete."""
        return self._outstanding.get(permit_id)

    def counted(self, now: float) -> tuple[int, ...]:
        """What each window counts, in the order of `limits`."""
        self._advance(now)
        return tuple(window.counted for window in self._windows)

    def others(self, now: float) -> tuple[int, ...]:
        """What of it is counted for others on the account, to be safe: all that is not surely ours."""
        self._advance(now)
        return tuple(window.others for window in self._windows)

    def proven_others(self, now: float) -> tuple[int, ...]:
        """What others on the account have used at least, by the broker's word; it delays no grant."""
        self._advance(now)
        return tuple(window.proven_others for window in self._windows)

    @property
    def longest_window_seconds(self) -> float:
        """The longest window, as widened."""
        return max(window.length_seconds for window in self._windows)

    def _costs(self, permit: GrantedPermit) -> Iterable[tuple[PermitWindow, int]]:
        return ((window, window.limit.cost(permit.tokens, permit.pool)) for window in self._windows)

    def _count(self, permit: GrantedPermit) -> None:
        for window, cost in self._costs(permit):
            window.grant(cost, permit.completed_at)
        if permit.has_completed:
            self._end(permit, permit.completed_at)
        else:
            self._outstanding[permit.permit_id] = permit
            heapq.heappush(self._bounds, (permit.completed_at, permit.permit_id))

    def _advance(self, now: float) -> None:
        self._now = max(self._now, now)
        while self._bounds and (self._bounds[0][0] <= self._now or not self._holds(*self._bounds[0])):
            bound, permit_id = heapq.heappop(self._bounds)
            if self._holds(bound, permit_id):
                self._end(self._outstanding[permit_id], bound)
                self._forget(permit_id)
        for window in self._windows:
            window.advance(self._now)

    def _holds(self, bound: float, permit_id: str) -> bool:
        permit = self._outstanding.get(permit_id)
        return permit is not None and permit.completed_at == bound

    def _forget(self, permit_id: str) -> GrantedPermit | None:
        self._marks.pop(permit_id, None)
        return self._outstanding.pop(permit_id, None)

    def _end(self, permit: GrantedPermit, completed_at: float) -> GrantedPermit:
        for window, cost in self._costs(permit):
            window.end(cost, permit.completed_at, completed_at)
        return permit.ended(completed_at)
