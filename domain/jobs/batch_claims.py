"""BatchClaims: which worker has claimed which batch."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from domain.jobs.batches import BatchReport, BatchWork


@dataclass(frozen=True, slots=True)
class Claim:
    """The exclusive right to work on a batch: the worker that has it, and the job's epoch in which it was taken."""

    worker: str
    epoch: int


class BatchClaims:
    """Batches that wait, and batches that are claimed; each is one or the other.

    A claim stays valid over a pause and the resume that begins a new epoch: it keeps the epoch in which it was taken.
    """

    def __init__(self, batches: Iterable[tuple[int, tuple[str, ...]]]) -> None:
        self._symbols = dict(batches)
        self._waiting = sorted(self._symbols, reverse=True)
        self._claims: dict[int, Claim] = {}
        self._losses: Counter[int] = Counter()

    @property
    def is_done(self) -> bool:
        """Whether every batch was finished."""
        return not self._waiting and not self._claims

    def take(self, worker: str, epoch: int) -> BatchWork | None:
        """Claim the first waiting batch for the worker; None when all are claimed or done."""
        if not self._waiting:
            return None
        batch = self._waiting.pop()
        self._claims[batch] = Claim(worker, epoch)
        return BatchWork(batch, epoch, self._symbols[batch])

    def holds(self, batch: int, worker: str, epoch: int) -> bool:
        """Whether the worker's claim of that epoch is valid: it ends when the batch is lost or reported."""
        return self._claims.get(batch) == Claim(worker, epoch)

    def resolve(self, report: BatchReport) -> None:
        """End the claim of a reported batch: it is done, or what is left of it waits again, ahead of later ones."""
        failed = {failure.symbol for failure in report.failed}
        over = failed.union(report.completed)
        if report.finished or over.issuperset(self._symbols[report.batch]):
            del self._claims[report.batch], self._symbols[report.batch]
            return
        self._symbols[report.batch] = tuple(s for s in self._symbols[report.batch] if s not in failed)
        self._put_back(report.batch)

    def lose(self, worker: str) -> list[int]:
        """End the claims of a worker that is gone; returns its batches, which wait again."""
        lost = [batch for batch, claim in self._claims.items() if claim.worker == worker]
        for batch in lost:
            self._losses[batch] += 1
            self._put_back(batch)
        return lost

    def losses(self, batch: int) -> int:
        """How many workers were lost over the batch."""
        return self._losses[batch]

    def _put_back(self, batch: int) -> None:
        del self._claims[batch]
        insort(self._waiting, batch, key=lambda number: -number)
