"""BatchClaims: which worker has which batch."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from domain.jobs.batches import BatchReport, BatchWork


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on a batch: whose it is, and the epoch of the job in which it was taken."""

    worker: str
    epoch: int


class BatchClaims:
    """Batches that wait, and batches in a worker's hands; each is in one place at a time.

    A claim outlives a pause and the resume that ends it, which begins a new epoch: what decides is the epoch
    in which it was taken.
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
        """The first waiting batch, now in the worker's hands; None when all are in hands or done."""
        if not self._waiting:
            return None
        batch = self._waiting.pop()
        self._claims[batch] = Claim(worker, epoch)
        return BatchWork(batch, epoch, self._symbols[batch])

    def holds(self, batch: int, worker: str, epoch: int) -> bool:
        """Whether the worker's claim of that epoch stands: of a batch that was lost, or given back, it is over."""
        return self._claims.get(batch) == Claim(worker, epoch)

    def resolve(self, report: BatchReport) -> None:
        """The batch was reported: it is done, or what is left of it waits again, ahead of later ones."""
        failed = {failure.symbol for failure in report.failed}
        over = failed.union(report.completed)
        if report.finished or over.issuperset(self._symbols[report.batch]):
            del self._claims[report.batch], self._symbols[report.batch]
            return
        self._symbols[report.batch] = tuple(s for s in self._symbols[report.batch] if s not in failed)
        self._put_back(report.batch)

    def lose(self, worker: str) -> list[int]:
        """A worker is gone: its batches wait again; returns them."""
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
