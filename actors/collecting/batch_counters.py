"""BatchCounters: counts what one claim of a batch has done, for live progress and for its report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from actors.collecting.guarded_permits import GuardedPermits
from domain.candles.findings import added
from domain.jobs.batches import BatchReport, BatchWork, SymbolFailure
from domain.jobs.ports import EventEmitter, ProgressEvent
from domain.jobs.timings import Timings


class BatchCounters:
    """Counts, emits each increase once as a ProgressEvent, and makes the report.

    Queries, candles and requests are emitted as they happen; symbols with the batch, just before its report.
    """

    def __init__(
        self, work: BatchWork, worker: str, emitter: EventEmitter, permits: GuardedPermits, turnaround: Timings
    ) -> None:
        """`turnaround` is the time between the worker's last batch and this one, without pauses."""
        self._claim = work
        self._worker = worker
        self._emitter = emitter
        self._permits = permits
        self._completed: list[str] = []
        self._failed: list[SymbolFailure] = []
        self._candles = 0
        self._quarantined = 0
        self._queries = 0
        self._work = 0.0
        self._untold: dict[str, Any] = {}
        self._findings: dict[str, int] = {}
        self._requests_told = 0
        self._slot_seconds = 0.0
        self._turnaround = turnaround

    def saved(self, candles: int, quarantined: int, findings: Mapping[str, int]) -> None:
        """An answer is on disk. Its counts are emitted with the next one, or at the end of its query."""
        self._tell_saved()
        self._candles += candles
        self._quarantined += quarantined
        self._findings = added(self._findings, findings)
        self._untold = {"candles": candles, "quarantined": quarantined, "findings": added(findings, {})}

    def query_done(self, work: float) -> None:
        """A query's bars are all on disk; `work` is its share of the batch, in symbols."""
        self._queries += 1
        self._work += work
        self._tell_saved(queries=1, work=work)

    def skipped(self, work: float) -> None:
        """Work that needs no request, in symbols: it is stored already, or given up."""
        if work > 0:
            self._work += work
            self._tell("symbol", work=work)

    def worked(self, seconds: float) -> None:
        """A slot was busy for so long, waits for permits included."""
        self._slot_seconds += seconds

    def completed(self, symbol: str) -> None:
        """The symbol is proven complete."""
        self._completed.append(symbol)

    def failed(self, failure: SymbolFailure) -> None:
        """The symbol was given up."""
        self._failed.append(failure)

    def close(self) -> BatchReport:
        """Emit what is left of the batch's counts, and report it."""
        self._tell_saved()
        self._tell("batch", symbols_done=len(self._completed), symbols_failed=len(self._failed))
        slot_seconds = self._slot_seconds - self._permits.waited_seconds
        symbols_over = len(self._completed) + len(self._failed)
        return BatchReport(
            batch=self._claim.batch,
            epoch=self._claim.epoch,
            finished=symbols_over == len(self._claim.symbols),
            completed=tuple(self._completed),
            failed=tuple(self._failed),
            candles_saved=self._candles,
            candles_quarantined=self._quarantined,
            pages=self._queries,
            requests=self._permits.requests,
            findings=self._findings,
            timings=self._permits.timings + self._turnaround + Timings(slot_seconds=slot_seconds),
            in_part=round(max(0.0, self._work - symbols_over), 6),
        )

    def _tell_saved(self, queries: int = 0, work: float = 0.0) -> None:
        if self._untold or queries:
            self._tell("page", pages=queries, work=work, **self._untold)
            self._untold = {}

    def _tell(self, kind: Literal["page", "symbol", "batch"], **counts: Any) -> None:
        requests = self._permits.requests - self._requests_told
        self._requests_told = self._permits.requests
        self._emitter.emit(
            ProgressEvent(self._worker, self._claim.batch, self._claim.epoch, kind, requests=requests, **counts)
        )
