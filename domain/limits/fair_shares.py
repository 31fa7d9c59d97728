"""FairShares: whose turn it is among those who wait, so that each gets its share by weight."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from domain.limits.messages import Priority

INTERACTIVE_WEIGHT = 19.0
BULK_WEIGHT = 1.0
PRIORITY_WEIGHTS = {Priority.INTERACTIVE: INTERACTIVE_WEIGHT, Priority.BULK: BULK_WEIGHT}
"""While jobs of both priorities wait, the interactive ones get 95 % together and the bulk ones 5 %."""

Key = TypeVar("Key", bound=Hashable)


class FairShares(Generic[Key]):
    """Start-time fair queueing among keys.

    Each key that waits has a start tag, and the least is served next: it moves on by tokens / weight,
    and virtual time comes along to the tag that was served. Whoever begins to wait starts at virtual
    time at the earliest, so nobody saves up turns while idle; what it took lately still counts.

    Law: for two keys that both wait all the time, the tokens served by weight differ at no moment by
    more than one largest serving of each, by its weight. So nobody starves, whatever the others ask.

    Source: P. Goyal, H. Vin and H. Cheng, "Start-time Fair Queuing: A Scheduling Algorithm for Integrated
    Services Packet Switching Networks", SIGCOMM 1996 (theorem 1 is the law; it holds for any rate of service).
    """

    def __init__(self) -> None:
        self._virtual_now = 0.0
        self._starts: dict[Key, float] = {}
        self._finished: dict[Key, float] = {}

    def __contains__(self, key: Key) -> bool:
        return key in self._starts

    def begin(self, key: Key) -> None:
        """The key waits, from now on if it did not before."""
        tag = self._starts.get(key, self._finished.pop(key, self._virtual_now))
        self._starts[key] = max(tag, self._virtual_now)

    def end(self, key: Key) -> None:
        """The key waits no more; what it was served is remembered as long as it matters."""
        self._finished[key] = self._starts.pop(key)
        if not self._starts:
            # Nobody waits any more: all start level again.
            self._virtual_now = max(self._virtual_now, *self._finished.values())
        self._finished = {other: tag for other, tag in self._finished.items() if tag > self._virtual_now}

    def in_turn(self) -> list[Key]:
        """Those who wait, the next first."""
        return sorted(self._starts, key=self._starts.__getitem__)

    def serve(self, key: Key, tokens: int, weight: float = 1.0) -> None:
        """The key, which waits, gets tokens."""
        self._virtual_now = max(self._virtual_now, self._starts[key])
        self._starts[key] += tokens / weight


class JobShares:
    """The jobs of an account: the priorities share by `PRIORITY_WEIGHTS`, and the jobs of one equally.

    Two levels, so that neither many backfills slow down somebody who waits, nor many who wait stop a backfill.
    """

    def __init__(self) -> None:
        self._priorities: FairShares[Priority] = FairShares()
        self._jobs: dict[Priority, FairShares[str]] = {priority: FairShares() for priority in Priority}

    def begin(self, job_id: str, priority: Priority) -> None:
        """The job waits, from now on if it did not before."""
        self._jobs[priority].begin(job_id)
        self._priorities.begin(priority)

    def end(self, job_id: str, priority: Priority) -> None:
        """The job waits no more."""
        self._jobs[priority].end(job_id)
        if not self._jobs[priority].in_turn():
            self._priorities.end(priority)

    def in_turn(self) -> Iterator[tuple[str, Priority]]:
        """The jobs that wait, the next first."""
        for priority in self._priorities.in_turn():
            for job_id in self._jobs[priority].in_turn():
                yield job_id, priority

    def serve(self, job_id: str, priority: Priority, tokens: int) -> None:
        """The job, which waits, gets tokens."""
        self._priorities.serve(priority, tokens, PRIORITY_WEIGHTS[priority])
        self._jobs[priority].serve(job_id, tokens)

    def share(self, priority: Priority) -> float:
        """The part of all tokens that one job of that priority, which waits, gets now."""
        weights = sum(PRIORITY_WEIGHTS[each] for each in self._priorities.in_turn())
        return PRIORITY_WEIGHTS[priority] / weights / len(self._jobs[priority].in_turn())
