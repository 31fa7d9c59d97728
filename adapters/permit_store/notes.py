"""PermitNotes: what the entries of a permit log say, as they are written and as they are read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from adapters.permit_store.audit_history import AuditColumns
from domain.limits.audit import Ending
from domain.limits.ledger import GrantedPermit
from domain.limits.messages import Outcome
from domain.limits.ports import RecordedPermits
from domain.limits.rates import Counts, RateLimit

_ENDINGS = {Outcome.ANSWERED: Ending.ANSWERED, Outcome.ABANDONED: Ending.ABANDONED}


@dataclass(frozen=True, slots=True)
class NotedPermit:
    """A permit whose request is not known to be complete."""

    job: str
    pool: str
    tokens: int
    granted_us: int
    bound_us: int


class PermitNotes:
    """The permits that are under way, and those that completed since the log last put some away.

    Entries are lists that begin with their kind. A grant is rounded down to a microsecond and a completion
    rounded up, so that the time between them only ever grows.
    """

    def __init__(self, offset_us: int, last_granted_us: int = -1) -> None:
        self.outstanding: dict[str, NotedPermit] = {}
        self.completed = AuditColumns(offset_us)
        self.last_granted_us = last_granted_us

    @property
    def limits(self) -> list[list[Any]] | None:
        """The limits noted last, as they are written."""
        return self.completed.eras[-1][1] if self.completed.eras else None

    def replay(self, entry: list[Any]) -> None:
        """Do what an entry tells."""
        match entry:
            case ["lent", job, permits]:
                for permit_id, pool, tokens, granted_us, bound_us in permits:
                    self.outstanding[permit_id] = NotedPermit(job, pool, tokens, granted_us, bound_us)
                    self.last_granted_us = max(self.last_granted_us, granted_us)
            case ["over", permit_id, completed_us, ending] if permit_id in self.outstanding:
                self._end(self.outstanding.pop(permit_id), completed_us, ending)
            case ["void", permit_id]:
                self.outstanding.pop(permit_id, None)
            case ["limits", since_us, limits]:
                self.completed.eras.append([since_us, limits])
            case ["doubt", first_us, last_us, sentence]:
                self.completed.evidence_gaps.append([first_us, last_us, sentence])

    def lapse(self, now: float | None) -> None:
        """Take those as complete whose bound has passed; without a moment, all of them."""
        lapsed = [name for name, permit in self.outstanding.items() if now is None or permit.bound_us < floor_us(now)]
        for name in lapsed:
            permit = self.outstanding.pop(name)
            self._end(permit, permit.bound_us, Ending.BOUND)

    def reconcile(self, known: RecordedPermits) -> None:
        """Agree with the permit record about what was granted when the last writer ended.

        Both are told of a permit before it is handed out, the log first: one that the record does not know,
        though it would have to, was handed out to nobody. One that only the record knows could not be logged.
        """
        recorded = {permit.permit_id for permit in known.permits}
        for name, noted in list(self.outstanding.items()):
            if name not in recorded and noted.bound_us > known.complete_since * 1e6 + 1:
                self.replay(["void", name])
        last_granted_us = self.last_granted_us
        unlogged = [permit for permit in known.permits if floor_us(permit.granted_at) > last_granted_us]
        if not unlogged:
            return
        self.replay(grant_entry("", unlogged))
        for permit in unlogged:
            if permit.has_completed:
                self.replay(["over", permit.permit_id, ceil_us(permit.completed_at), Ending.BOUND])
        moments = [floor_us(permit.granted_at) for permit in unlogged]
        sentence = f"of {len(unlogged)} permits it is not known which job used them"
        self.replay(["doubt", min(moments), max(moments), sentence])

    def put_away(self) -> None:
        """Keep only the permits that are under way, and the limits in force."""
        fresh = AuditColumns(self.completed.offset_us)
        fresh.eras = self.completed.eras[-1:]
        self.completed = fresh

    def entries(self) -> Iterator[list[Any]]:
        """What a new file begins with so that `replay` makes the same of it, when no permit is complete yet."""
        for since_us, limits in self.completed.eras:
            yield ["limits", since_us, limits]
        for permit_id, one in self.outstanding.items():
            yield ["lent", one.job, [[permit_id, one.pool, one.tokens, one.granted_us, one.bound_us]]]

    def _end(self, permit: NotedPermit, completed_us: int, ending: int) -> None:
        self.completed.add(permit.job, permit.pool, permit.tokens, permit.granted_us, completed_us, ending)


def grant_entry(job_id: str, permits: Iterable[GrantedPermit]) -> list[Any]:
    """Permits of one job, granted at once."""
    rows = [
        [one.permit_id, one.pool, one.tokens, floor_us(one.granted_at), ceil_us(one.completed_at)] for one in permits
    ]
    return ["lent", job_id, rows]


def completion_entry(permit: GrantedPermit, outcome: Outcome) -> list[Any]:
    """A permit's request is complete, and how that is known."""
    return ["over", permit.permit_id, ceil_us(permit.completed_at), int(_ENDINGS[outcome])]


def limits_entry(limits: Iterable[RateLimit], since: float) -> list[Any]:
    """The limits that hold from a moment on."""
    return ["limits", floor_us(since), [[one.amount, one.window_seconds, str(one.counts), one.pool] for one in limits]]


def limits_of(written: list[list[Any]]) -> tuple[RateLimit, ...]:
    """What `limits_entry` wrote, read back."""
    return tuple(RateLimit(amount, seconds, Counts(counts), pool) for amount, seconds, counts, pool in written)


def floor_us(seconds: float) -> int:
    """Whole microseconds, no later."""
    return math.floor(seconds * 1e6)


def ceil_us(seconds: float) -> int:
    """Whole microseconds, no earlier."""
    return math.ceil(seconds * 1e6)
