"""Claims: which worker has which batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


class Claims:
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

    def finish(self, batch: int) -> None:
        """The batch is done for good."""
        del self._holders[batch]
        del self._symbols[batch]

    def put_back(self, batch: int) -> None:
        """The batch was not finished: it waits again, ahead of later ones."""
        del self._holders[batch]
        self._waiting.append(batch)
        self._waiting.sort(reverse=True)

    def lose(self, worker: str) -> list[int]:
        """A worker is gone: its batches wait again; returns them."""
        lost = [batch for batch, holder in self._holders.items() if holder == worker]
        for batch in lost:
            self._losses[batch] += 1
            self.put_back(batch)
        return lost

    def losses(self, batch: int) -> int:
        """How many workers were lost over the batch."""
        return self._losses[batch]
