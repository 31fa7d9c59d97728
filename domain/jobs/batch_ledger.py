"""BatchLedger: which batches of a job are finished, and which of their symbols failed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from domain.jobs.batches import BatchReport, SymbolFailure


@dataclass(frozen=True, slots=True)
class Work:
    """Work done and in total, in symbols: half the pages of one are 0.5, one that was given up is 1."""

    done: float
    total: int

    @property
    def left(self) -> float:
        return self.total - self.done

    @property
    def share(self) -> float:
        """0 to 1."""
        return self.done / self.total if self.total else 1.0


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """What the claims of an unfinished batch have done so far.

    `completed` counts symbols that are proven complete; `collected` adds the stored parts of the others.
    """

    completed: int = 0
    collected: float = 0.0


@dataclass(slots=True)
class BatchLedger:
    """The batches of all rounds: first the whole plan, then for each retry its failed symbols.

    Batch n of the first round holds the plan's symbols [n * batch_size, (n + 1) * batch_size); later
    rounds carry on with the numbers and keep their symbols here. A symbol waits in one batch at most.
    """

    symbols_total: int
    batch_size: int
    failures: dict[str, SymbolFailure] = field(default_factory=dict)
    """Symbols given up, until a later round collects them."""
    failures_since_allowance: int = 0
    _finished: set[int] = field(default_factory=set)
    _later_rounds: dict[int, tuple[str, ...]] = field(default_factory=dict)
    _failed_so_far: dict[int, set[str]] = field(default_factory=dict)
    """Unfinished batch -> its symbols that have failed: they are not handed out with it again."""
    _progress: dict[int, BatchProgress] = field(default_factory=dict)
    """Unfinished batch -> the most that one of its claims has done; `completed` counts the first round only."""
    _given_back: set[int] = field(default_factory=set)
    """Batches reported unfinished in this epoch."""
    _completed: int = 0
    _work_finished: int = 0

    @property
    def batches_total(self) -> int:
        return self._first_round + len(self._later_rounds)

    @property
    def all_finished(self) -> bool:
        return len(self._finished) == self.batches_total

    @property
    def symbols_completed(self) -> int:
        return self._completed + sum(progress.completed for progress in self._progress.values())

    @property
    def work(self) -> Work:
        """The work of all rounds; a symbol that is retried is added as new work, so work done never shrinks."""
        failed = sum(map(len, self._failed_so_far.values()))
        done = self._work_finished + failed + sum(progress.collected for progress in self._progress.values())
        return Work(done, self.symbols_total + sum(map(len, self._later_rounds.values())))

    def progress_of(self, batch: int) -> BatchProgress:
        """What the claims of that batch have done so far; all of it, once it is finished."""
        if batch in self._finished:
            return BatchProgress(self._size(batch), float(self._size(batch)))
        return self._progress.get(batch, BatchProgress())

    def remaining(self, plan_symbols: Sequence[str]) -> list[tuple[int, tuple[str, ...]]]:
        """The unfinished batches in order, each with the symbols it still has to collect."""
        return [
            (batch, self._symbols_left(batch, plan_symbols))
            for batch in range(self.batches_total)
            if batch not in self._finished
        ]

    def is_recorded(self, report: BatchReport) -> bool:
        """Whether the report would add nothing. Raises ValueError for a batch that does not exist."""
        if not 0 <= report.batch < self.batches_total:
            raise ValueError(f"there is no batch {report.batch}: they go from 0 to {self.batches_total - 1}")
        return report.batch in self._finished or (not report.finished and report.batch in self._given_back)

    def would_finish(self, report: BatchReport) -> bool:
        """Whether nothing of the batch is left after this report, whatever the worker says."""
        over = {*report.completed, *(failure.symbol for failure in report.failed)}
        over |= self._failed_so_far.get(report.batch, set())
        return report.finished or len(over) >= self._size(report.batch)

    def record(
        self, batch: int, finished: bool, completed: int, in_part: float, failures: Iterable[SymbolFailure]
    ) -> None:
        """Record one report; `completed` counts the symbols that this claim found or made complete."""
        new = {failure.symbol: failure for failure in failures}
        self.failures.update(new)
        self.failures_since_allowance += len(new)
        failed = self._failed_so_far.get(batch, set()) | new.keys()
        if finished:
            self._finish(batch, failed)
            return
        self._given_back.add(batch)
        self._failed_so_far[batch] = failed
        progress, most = self.progress_of(batch), self._size(batch) - len(failed)
        # A retried symbol counts as failed until its batch is finished: not as both.
        most_completed = 0 if batch in self._later_rounds else most
        self._progress[batch] = BatchProgress(
            min(max(completed, progress.completed), most_completed),
            min(max(completed + in_part, progress.collected), float(most)),
        )

    def begin_epoch(self) -> None:
        """Every unfinished batch may be claimed, and reported unfinished, once more."""
        self._given_back.clear()

    def to_retry(self) -> list[str]:
        """The failed symbols that no unfinished batch will collect."""
        waiting = {
            symbol
            for batch, symbols in self._later_rounds.items()
            if batch not in self._finished
            for symbol in symbols
            if symbol not in self._failed_so_far.get(batch, ())
        }
        return [symbol for symbol in self.failures if symbol not in waiting]

    def add_round(self, symbols: Sequence[str]) -> None:
        """New batches, of the same size, for these symbols."""
        for first in range(0, len(symbols), self.batch_size):
            self._later_rounds[self.batches_total] = tuple(symbols[first : first + self.batch_size])

    @property
    def _first_round(self) -> int:
        return -(-self.symbols_total // self.batch_size)

    def _finish(self, batch: int, failed: set[str]) -> None:
        self._finished.add(batch)
        self._completed += self._size(batch) - len(failed)
        self._work_finished += self._size(batch)
        self._failed_so_far.pop(batch, None)
        self._progress.pop(batch, None)
        for symbol in self._later_rounds.get(batch, ()):
            if symbol not in failed:
                self.failures.pop(symbol, None)

    def _size(self, batch: int) -> int:
        if batch in self._later_rounds:
            return len(self._later_rounds[batch])
        return min(self.batch_size, self.symbols_total - batch * self.batch_size)

    def _symbols_left(self, batch: int, plan_symbols: Sequence[str]) -> tuple[str, ...]:
        first = batch * self.batch_size
        symbols = self._later_rounds.get(batch) or plan_symbols[first : first + self.batch_size]
        failed = self._failed_so_far.get(batch, ())
        return tuple(symbol for symbol in symbols if symbol not in failed)
