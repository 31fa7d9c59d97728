"""PermitQueue: the requests that wait for permits, in the order they are served."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from domain.limits.fair_shares import PRIORITY_WEIGHTS, JobShares
from domain.limits.ledger import GrantedPermit
from domain.limits.messages import JobWaiting, PermitRequest, Priority

RETURN_SECONDS = 0.1
"""How long a caller that was told to call again may take before others are served first."""


@dataclass(slots=True)
class Waiting:
    """One request for permits. It is served while a call waits for it, or is about to come back."""

    ticket: str
    request: PermitRequest
    asked_at: float
    answer: asyncio.Future[tuple[GrantedPermit, ...]]
    attended: int = 0
    expected_until: float = float("-inf")
    kept_until: float = float("inf")

    @property
    def job(self) -> tuple[str, Priority]:
        """The job and priority whose share it is served from."""
        return self.request.job_id, self.request.priority

    def is_there(self, now: float) -> bool:
        """Whether a call waits for it, or is about to come back."""
        return self.attended > 0 or now < self.expected_until


class ReturnedTickets:
    """Returned tickets, remembered for `patience_seconds`: a return may arrive before the ticket's own call."""

    def __init__(self, clock: Callable[[], float], patience_seconds: float) -> None:
        self._clock = clock
        self._patience_seconds = patience_seconds
        self._known_until: OrderedDict[str, float] = OrderedDict()

    def __contains__(self, ticket: str) -> bool:
        return ticket in self._known_until

    def add(self, ticket: str) -> None:
        """Remember a ticket that is not needed any more."""
        now = self._clock()
        self._known_until[ticket] = now + self._patience_seconds
        while next(iter(self._known_until.values())) <= now:
            self._known_until.popitem(last=False)


class PermitQueue:
    """Jobs get their shares, see `JobShares`; inside a job it is first come, first served, by ticket.

    Calling again with the same ticket keeps the place. A place without a call is skipped, and removed
    `patience_seconds` after its last call ended.
    """

    def __init__(self, clock: Callable[[], float], patience_seconds: float, returned: ReturnedTickets) -> None:
        self._clock = clock
        self._returned = returned
        self._patience_seconds = patience_seconds
        self._places: dict[str, Waiting] = {}
        self._lines: dict[tuple[str, Priority], OrderedDict[str, Waiting]] = {}
        self._shares = JobShares()
        self._asked_last: OrderedDict[tuple[str, Priority], float] = OrderedDict()
        self._unattended: OrderedDict[str, Waiting] = OrderedDict()

    def __len__(self) -> int:
        now = self._clock()
        return len(self._places) - sum(place.kept_until <= now for place in self._unattended.values())

    def join(self, ticket: str, request: PermitRequest) -> Waiting:
        """Take a place, or come back to it; call `leave` when the call ends."""
        waiting = self._places.get(ticket)
        if waiting is None:
            answer = asyncio.get_running_loop().create_future()
            waiting = Waiting(ticket, request, self._clock(), answer)
            if ticket in self._returned:
                answer.set_result(())
                return waiting
            self._places[ticket] = waiting
            self._lines.setdefault(waiting.job, OrderedDict())[ticket] = waiting
        waiting.attended += 1
        self._unattended.pop(ticket, None)
        self._shares.begin(*waiting.job)
        self._asked_last[waiting.job] = self._clock()
        self._asked_last.move_to_end(waiting.job)
        return waiting

    def leave(self, waiting: Waiting, comes_back: bool) -> None:
        """A call on this place ended; the place stays for a while."""
        waiting.attended -= 1
        if waiting.ticket not in self._places or waiting.attended > 0:
            return
        now = self._clock()
        waiting.expected_until = now + RETURN_SECONDS if comes_back else now
        waiting.kept_until = now + self._patience_seconds
        self._unattended[waiting.ticket] = waiting

    def head(self) -> Waiting | None:
        """The first place with a call, or with one about to come back, of the job whose turn it is."""
        now = self._clock()
        self._forget_deserted(now)
        for job in self._shares.in_turn():
            for waiting in self._lines[job].values():
                if waiting.is_there(now):
                    return waiting
        return None

    def has_rival(self, waiting: Waiting, within_seconds: float) -> bool:
        """Whether another job of at least this priority waits too, or has called lately."""
        lately = self._clock() - within_seconds
        while self._asked_last and next(iter(self._asked_last.values())) < lately:
            self._asked_last.popitem(last=False)
        others = (self._asked_last.keys() | self._lines.keys()) - {waiting.job}
        weight = PRIORITY_WEIGHTS[waiting.request.priority]
        return any(PRIORITY_WEIGHTS[priority] >= weight for _, priority in others)

    def jobs(self) -> tuple[JobWaiting, ...]:
        """The jobs that wait, and their shares of all tokens."""
        return tuple(
            JobWaiting(job_id, priority, len(self._lines[job_id, priority]), self._shares.share(priority))
            for job_id, priority in self._shares.in_turn()
        )

    def give_back(self, ticket: str) -> None:
        """Drop a ticket that is not needed: a call that still waits for it gets nothing."""
        if waiting := self._places.get(ticket):
            self._remove(waiting)
            waiting.answer.set_result(())

    def serve(self, waiting: Waiting, permits: tuple[GrantedPermit, ...]) -> None:
        """Hand out the permits, charge them to the job's share and drop the place."""
        self._shares.serve(*waiting.job, sum(permit.tokens for permit in permits))
        self._remove(waiting)
        waiting.answer.set_result(permits)

    def refuse(self, verdict: Callable[[Waiting], Exception | None]) -> None:
        """Answer each request for which `verdict` returns an error with that error."""
        for waiting in list(self._places.values()):
            error = verdict(waiting)
            if error is None:
                continue
            self._remove(waiting)
            if waiting.attended > 0:
                waiting.answer.set_exception(error)

    def _remove(self, waiting: Waiting) -> None:
        del self._places[waiting.ticket]
        self._unattended.pop(waiting.ticket, None)
        line = self._lines[waiting.job]
        del line[waiting.ticket]
        if not line:
            del self._lines[waiting.job]
            self._shares.end(*waiting.job)

    def _forget_deserted(self, now: float) -> None:
        while self._unattended:
            longest = next(iter(self._unattended.values()))
            if now < longest.kept_until:
                return
            self._remove(longest)
