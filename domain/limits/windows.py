"""PermitWindow: what one rate limit counts, and when that will have left it."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate

from domain.errors import PermitImpossible
from domain.limits.rates import RateLimit
from domain.limits.usage import BrokerUsage

CLOCK_DRIFT_SHARE = 0.001
CLOSED_EDGE_SECONDS = 0.001

_DEAD_ENTRIES_KEPT = 512


class Departures:
    """Costs by the moment at which they leave, earliest first; what leaves at one moment is one entry.

    Two sorted lists whose front is skipped before it is cut off. What joins belongs near the end, so a
    change moves as many entries as there are requests under way, in one block: on real rate limits
    that takes about a microsecond, and unlike a heap the lists can be looked into in their order.
    """

    def __init__(self) -> None:
        self._moments: list[float] = []
        self._costs: list[int] = []
        self._first = 0

    def add(self, moment: float, cost: int) -> None:
        """So much will leave then."""
        place = bisect_left(self._moments, moment, self._first)
        if place < len(self._moments) and self._moments[place] == moment:
            self._costs[place] += cost
        else:
            self._moments.insert(place, moment)
            self._costs.insert(place, cost)

    def remove(self, moment: float, cost: int) -> None:
        """So much will not leave then after all."""
        place = bisect_left(self._moments, moment, self._first)
        self._costs[place] -= cost
        if not self._costs[place]:
            del self._moments[place], self._costs[place]

    def leave(self, now: float) -> int:
        """Drop what has left by now; how much that was."""
        first, moments = self._first, self._moments
        while first < len(moments) and moments[first] <= now:
            first += 1
        left = sum(self._costs[self._first : first])
        if first > _DEAD_ENTRIES_KEPT and 2 * first > len(moments):
            del moments[:first], self._costs[:first]
            first = 0
        self._first = first
        return left

    def when_left(self, amount: int) -> float:
        """The moment by which at least so much will have left; there has to be so much."""
        if self._costs[self._first] >= amount:
            return self._moments[self._first]
        # Every entry is 1 at least, so no more than `amount` of them are needed.
        totals = list(accumulate(self._costs[self._first : self._first + amount]))
        return self._moments[self._first + bisect_left(totals, amount)]


@dataclass(frozen=True, slots=True)
class Marks:
    """A window's totals when a permit was granted: what had ended, and what had left it, of all it ever granted."""

    ended: int
    left: int


class PermitWindow:
    """What one limit counts now: our own permits, and what others are known to have used.

    `granted`, `ended` and `left` are running totals of our own; a permit that turns out to be unused is
    taken out of `granted` again. `others` is what is counted for others: all that may be theirs, which is more than
    is proven to be (`proven_others`).
    """

    def __init__(self, limit: RateLimit) -> None:
        self.limit = limit
        self.length_seconds = limit.window_seconds * (1 + CLOCK_DRIFT_SHARE) + CLOSED_EDGE_SECONDS
        self.granted = self.ended = self.left = 0
        self.others = 0
        self._departures = Departures()
        self._others: list[tuple[float, int]] = []
        self._proven: list[tuple[float, int]] = []

    @property
    def proven_others(self) -> int:
        """What others have used at least; nothing is granted or refused by it."""
        return self._proven[0][1] if self._proven else 0

    @property
    def counted(self) -> int:
        return self.granted - self.left + self.others

    def marks(self) -> Marks:
        """How it stands."""
        return Marks(self.ended, self.left)

    def grant(self, cost: int, complete_by: float) -> None:
        """Count a permit whose request arrives by then."""
        if cost:
            self.granted += cost
            self._departures.add(complete_by + self.length_seconds, cost)

    def end(self, cost: int, complete_by: float, completed_at: float) -> None:
        """A request that would have arrived by `complete_by` was complete at `completed_at`."""
        if cost:
            self.ended += cost
            if completed_at != complete_by:
                self._departures.remove(complete_by + self.length_seconds, cost)
                self._departures.add(completed_at + self.length_seconds, cost)

    def release(self, cost: int, complete_by: float) -> None:
        """A permit was never used: it counts no more."""
        if cost:
            self.granted -= cost
            self._departures.remove(complete_by + self.length_seconds, cost)

    def advance(self, now: float) -> None:
        """Let go of what has left by now."""
        left = self._departures.leave(now)
        while self._others and self._others[0][0] <= now:
            gone = self._others.pop(0)[1]
            self.others -= gone
            left -= gone
        self.left += left
        while self._proven and self._proven[0][0] <= now:
            del self._proven[0]

    def free_at(self, tokens: int, pool: str, permits: int = 1) -> float:
        """When so many requests fit; minus infinity if they do now. Raises PermitImpossible if they never do."""
        cost = self.limit.cost(tokens, pool) * permits
        if cost > self.limit.amount:
            raise PermitImpossible(cost, str(self.limit))
        excess = self.counted + cost - self.limit.amount
        return self._departures.when_left(excess) if cost and excess > 0 else float("-inf")

    def has_room(self, tokens: int, pool: str, permits: int = 1) -> bool:
        """Whether so many requests fit now."""
        cost = self.limit.cost(tokens, pool) * permits
        return not cost or self.counted + cost <= self.limit.amount

    def see(self, usage: BrokerUsage, marks: Marks, answered_at: float) -> None:
        """Take in what the broker had counted between a permit's grant, at `marks`, and `answered_at`.

        Of ours, no more can be in the broker's count than was granted up to now and had not left when that
        permit was granted. Only what goes beyond that proves that others are there; then all is theirs that is
        not surely ours: complete when the permit was granted, and not left yet. It is counted until it must
        have left, and an answer that tells of less shortens nothing.
        """
        most_of_ours = self.granted - marks.left
        surely_ours = max(0, marks.ended - self.left)
        until = answered_at + max(self.length_seconds, usage.resets_after_seconds or 0.0)
        if usage.used > most_of_ours:
            self._prove_others(usage.used - most_of_ours, until)
        theirs = usage.used - surely_ours if usage.used > most_of_ours else 0
        if usage.allowed is not None:
            # What the broker allows beyond our limit is room for others; if it allows less, that is not ours either.
            theirs += self.limit.amount - usage.allowed
        if theirs > 0:
            self._count_others(theirs, until)

    def inherit_others(self, earlier: PermitWindow) -> None:
        """Count what an earlier window knew to be others' as long as it would have."""
        for moment, amount in earlier._others:
            self._others.append((moment, amount))
            self._departures.add(moment, amount)
            self.others += amount
        for until, amount in earlier._proven:
            self._prove_others(amount, until)

    def _prove_others(self, amount: int, until: float) -> None:
        """So much is proven until then, and what was proven beyond it as long as before: the most comes first."""
        if self._proven:
            until = max(until, self._proven[-1][0])
        while self._proven and self._proven[-1][1] <= amount:
            self._proven.pop()
        self._proven.append((until, amount))

    def _count_others(self, amount: int, until: float) -> None:
        """So much in all is counted until then, and what was counted beyond it as long as before."""
        if self._others:
            until = max(until, self._others[-1][0])
        replaced = 0
        while self._others and replaced < amount:
            moment, last = self._others.pop()
            self._departures.remove(moment, last)
            kept = max(0, replaced + last - amount)
            replaced += last - kept
            if kept:
                self._others.append((moment, kept))
                self._departures.add(moment, kept)
        self._others.append((until, amount))
        self._departures.add(until, amount)
        self.others += amount - replaced
