"""PermitLedger: when may the next request leave?"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from domain.errors import PermitImpossible
from domain.rates import RateLimit

CLOCK_DRIFT_SHARE = 0.001
CLOSED_EDGE_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class LentPermit:
    """A permit as the ledger keeps it; moments are seconds on one monotonic clock.

    `over_at` is when its request is known to be over, or, while that is not known, the latest moment
    at which the request could still arrive.
    """

    permit_id: str
    tokens: int
    granted_at: float
    over_at: float
    is_over: bool = False


class PermitLedger:
    """Grants permits so that no window of the broker can ever hold more than its limit.

    A permit is lent, not spent: it counts against every window from its grant until one window length
    after its request is known to be over. A new one is granted only if, in each window,
    counted + asked <= limit.

    Claim: for every window length W, no closed interval [t, t + W] sees arrivals worth more than the limit.

    Proof. Every request arrives between its grant g and its end e, so g <= arrival <= e. Take the
    requests that arrive in [t, t + W], and of these the one granted last, at g*. It arrived in the interval,
    so g* <= t + W. Any other one of them was granted before it, and arrived at t or later, so
    e >= t: it counts until e + W' >= t + W' > t + W >= g*, where W' is the widened W. So all of them
    counted when the last was granted, and the ledger granted it only because together they fitted. QED

    What this rests on: `over_at` is never too early. An answered request is over when its headers are
    in; a request that was given up is over `stray_seconds` later, or never arrives; and a permit
    of which nothing more is heard is over at the bound it was lent with. Windows are widened
    (W' = W x 1.001 + 1 ms) for a broker whose clock runs slow and whose window edges are closed.

    Source: the argument is that of a lease with an upper bound on its holder's last action
    (C. Gray and D. Cheriton, "Leases", SOSP 1989), applied to a sliding window.
    """

    def __init__(self, limits: Sequence[RateLimit]) -> None:
        if not limits:
            raise ValueError("a ledger needs at least one limit")
        self._windows = [_Window(limit) for limit in limits]
        self._lent: dict[str, LentPermit] = {}
        self._bounds: list[tuple[float, str]] = []
        self._sealed_until = float("-inf")
        self._now = float("-inf")

    @property
    def limits(self) -> tuple[RateLimit, ...]:
        return tuple(window.limit for window in self._windows)

    def check_possible(self, tokens: int) -> None:
        """Raise PermitImpossible when some window is smaller than what is asked; nothing less than 1 can be."""
        if tokens < 1:
            raise ValueError(f"a permit is for one token at least, not {tokens}")
        for limit in self.limits:
            if limit.cost(tokens) > limit.amount:
                raise PermitImpossible(tokens, str(limit))

    def wait_seconds(self, tokens: int, now: float) -> float:
        """How long until such a permit may be granted; 0 means now.

        What is lent is taken to last until its bound: when a request ends sooner, ask again.
        """
        self._advance(now)
        free_at = max([self._sealed_until, *(self._free_at(window, tokens) for window in self._windows)])
        return max(0.0, free_at - self._now)

    def lend(self, permit_id: str, tokens: int, now: float, over_by: float) -> LentPermit:
        """Grant a permit whose request arrives by `over_by` at the latest, whatever happens.

        Raises ValueError when it may not be granted now (ask `wait_seconds` first), or is lent already.
        """
        if permit_id in self._lent:
            raise ValueError(f"permit {permit_id} is lent already")
        if self.wait_seconds(tokens, now) > 0:
            raise ValueError(f"permit {permit_id} may not be granted yet")
        permit = LentPermit(permit_id, tokens, self._now, max(over_by, self._now))
        self._count(permit)
        return permit

    def restore(self, permits: Iterable[LentPermit], sealed_until: float) -> None:
        """Count permits that an earlier ledger granted, whether or not they fit the limits."""
        for permit in permits:
            self._count(permit)
        self.seal(sealed_until)

    def settle(self, permit_id: str, over_at: float, now: float) -> LentPermit | None:
        """Note that the permit's request was over at `over_at`; None if it was settled before or is unknown.

        A moment later than its bound, or before its grant, is taken as that bound or that grant.
        """
        self._advance(now)
        permit = self._lent.pop(permit_id, None)
        if permit is None:
            return None
        return self._end(permit, min(max(over_at, permit.granted_at), permit.over_at))

    def void(self, permit_id: str, now: float) -> LentPermit | None:
        """Note that the permit will never be used: it counts no more. None if unknown."""
        self._advance(now)
        permit = self._lent.pop(permit_id, None)
        if permit is not None:
            for window in self._windows:
                window.counted -= window.limit.cost(permit.tokens)
        return permit

    def seal(self, until: float) -> None:
        """Grant nothing before that moment; an earlier one than already set changes nothing."""
        self._sealed_until = max(self._sealed_until, until)

    @property
    def sealed_until(self) -> float:
        return self._sealed_until

    def lent(self, permit_id: str) -> LentPermit | None:
        """The permit, while its request is not known to be over."""
        return self._lent.get(permit_id)

    def counted(self, now: float) -> tuple[int, ...]:
        """What each window counts, in the order of `limits`."""
        self._advance(now)
        return tuple(window.counted for window in self._windows)

    @property
    def longest_window_seconds(self) -> float:
        """The longest window, as widened."""
        return max(window.length_seconds for window in self._windows)

    def _count(self, permit: LentPermit) -> None:
        for window in self._windows:
            window.counted += window.limit.cost(permit.tokens)
        if permit.is_over:
            self._end(permit, permit.over_at)
        else:
            self._lent[permit.permit_id] = permit
            heapq.heappush(self._bounds, (permit.over_at, permit.permit_id))

    def _advance(self, now: float) -> None:
        self._now = max(self._now, now)
        while self._bounds and (self._bounds[0][0] <= self._now or not self._holds(*self._bounds[0])):
            bound, permit_id = heapq.heappop(self._bounds)
            if self._holds(bound, permit_id):
                self._end(self._lent.pop(permit_id), bound)
        for window in self._windows:
            window.release(self._now)

    def _holds(self, bound: float, permit_id: str) -> bool:
        permit = self._lent.get(permit_id)
        return permit is not None and permit.over_at == bound

    def _end(self, permit: LentPermit, over_at: float) -> LentPermit:
        over = replace(permit, over_at=over_at, is_over=True)
        for window in self._windows:
            window.release_later(over)
        return over

    def _free_at(self, window: _Window, tokens: int) -> float:
        excess = window.counted + window.limit.cost(tokens) - window.limit.amount
        if excess <= 0:
            return self._now
        first = window.leaving[0] if window.leaving else None
        lapses_at = self._bounds[0][0] + window.length_seconds if self._bounds else float("inf")
        if first and first.free_at <= lapses_at and window.limit.cost(first.permit.tokens) >= excess:
            return first.free_at
        for free_at, cost in sorted([*window.departures(), *window.departures_of(self._lent.values())]):
            excess -= cost
            if excess <= 0:
                return free_at
        raise PermitImpossible(tokens, str(window.limit))


@dataclass(frozen=True, slots=True, order=True)
class _Leaving:
    """A permit whose request is over, and when it leaves the window."""

    free_at: float
    permit: LentPermit = field(compare=False)


class _Window:
    """What one limit counts at the moment."""

    def __init__(self, limit: RateLimit) -> None:
        self.limit = limit
        self.length_seconds = limit.window_seconds * (1 + CLOCK_DRIFT_SHARE) + CLOSED_EDGE_SECONDS
        self.counted = 0
        self.leaving: list[_Leaving] = []

    def release_later(self, permit: LentPermit) -> None:
        heapq.heappush(self.leaving, _Leaving(permit.over_at + self.length_seconds, permit))

    def release(self, now: float) -> None:
        while self.leaving and self.leaving[0].free_at <= now:
            self.counted -= self.limit.cost(heapq.heappop(self.leaving).permit.tokens)

    def departures(self) -> Iterable[tuple[float, int]]:
        return ((entry.free_at, self.limit.cost(entry.permit.tokens)) for entry in self.leaving)

    def departures_of(self, permits: Iterable[LentPermit]) -> Iterable[tuple[float, int]]:
        return ((permit.over_at + self.length_seconds, self.limit.cost(permit.tokens)) for permit in permits)
