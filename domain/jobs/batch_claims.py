"""BatchClaims: which worker has which batch."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Iterable

from domain.jobs.batches import BatchReport


class BatchClaims:
    """Batches that wait, and batches in a worker's hands; each is in one place at a time."""

    def __init__(self, batches: Iterable[tuple[int, tuple[str, ...]]]) -> None:
        self._symbols = dict(batches)
        self._waiting = sorted(self._symbols, reverse=True)
        self._holders: dict[int, str] = {}
        self._losses: Counter[int] = Counter()

    @property
    def is_done(self) -> bool:
        """Whether every batch was finished."""
        return not self._waiting and not self._holders

    def take(self, worker: str) -> tuple[int, tuple[str, ...]] | None:
        """The first waiting batch, now in the worker's hands; None when all are in hands or done."""
        if not self._waiting:
            return None
        batch = self._waiting.pop()
        self._holders[batch] = worker
        return batch, self._symbols[batch]

    def holds(self, batch: int, worker: str) -> bool:
        """Whether the batch is in that worker's hands: whoever lost it has nothing more to say of it."""
        return self._holders.get(batch) == worker

    def resolve(self, report: BatchReport) -> None:
        """The batch was reported: it is done, or what is left of it waits again, ahead of later ones."""
        failed = {failure.symbol for failure in report.failed}
        over = failed.union(report.completed)
        if report.finished or over.issuperset(self._symbols[report.batch]):
            del self._holders[report.batch], self._symbols[report.batch]
            return
        self._symbols[report.batch] = tuple(s for s in self._symbols[report.batch] if s not in failed)
        self._put_back(report.batch)

    def lose(self, worker: str) -> list[int]:
        """A worker is gone: its batches wait again; returns them."""
        lost = [batch for batch, holder in self._holders.items() if holder == worker]
        for batch in lost:
            self._losses[batch] += 1
            self._put_back(batch)
        return lost

    def losses(self, batch: int) -> int:
        """How many workers were lost over the batch."""
        return self._losses[batch]

    def _put_back(self, batch: int) -> None:
        del self._holders[batch]
        insort(self._waiting, batch, key=lambda number: -number)
