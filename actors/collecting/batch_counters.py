"""BatchCounters: what one claim of a batch has come to, told as it happens and reported at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from actors.collecting.guarded_permits import GuardedPermits
from domain.candles.findings import added
from domain.jobs.batches import BatchReport, BatchWork, SymbolFailure
from domain.jobs.ports import EventEmitter, ProgressEvent
from domain.jobs.timings import Timings


class BatchCounters:
    """Counts, tells each increase once as a ProgressEvent, and makes the report.

    Pages, candles and requests are told as they come; symbols with the batch, just before its report.
    """

    def __init__(
        self, work: BatchWork, worker: str, emitter: EventEmitter, permits: GuardedPermits, turnaround: Timings
    ) -> None:
        """`handover` is what went by between the worker's last batch and this one, pauses left out."""
        self._work = work
        self._worker = worker
        self._emitter = emitter
        self._permits = permits
        self._completed: list[str] = []
        self._failed: list[SymbolFailure] = []
        self._candles = 0
        self._quarantined = 0
        self._pages = 0
        self._findings: dict[str, int] = {}
        self._requests_told = 0
        self._slot_seconds = 0.0
        self._turnaround = turnaround

    def saved(self, candles: int, quarantined: int, pages: int, findings: Mapping[str, int]) -> None:
        """An answer is on disk; `pages` is 0 while a part of its page is still to come."""
        self._candles += candles
        self._quarantined += quarantined
        self._pages += pages
        self._findings = added(self._findings, findings)
        self._tell("page", pages=pages, candles=candles, quarantined=quarantined, findings=added(findings, {}))

    def skipped(self, pages: int) -> None:
        """So many planned pages need no request."""
        if pages > 0:
            self._tell("symbol", pages_skipped=pages)

    def worked(self, seconds: float) -> None:
        """A slot had its hands full for so long, waits for permits included."""
        self._slot_seconds += seconds

    def completed(self, symbol: str) -> None:
        """The symbol is proven complete."""
        self._completed.append(symbol)

    def failed(self, failure: SymbolFailure, pages_skipped: int) -> None:
        """The symbol was given up, and so many of its pages with it."""
        self._failed.append(failure)
        self.skipped(pages_skipped)

    def close(self) -> BatchReport:
        """Tell what the batch has come to, and report it."""
        self._tell("batch", symbols_done=len(self._completed), symbols_failed=len(self._failed))
        slot_seconds = self._slot_seconds - self._permits.waited_seconds
        return BatchReport(
            batch=self._work.batch,
            epoch=self._work.epoch,
            finished=len(self._completed) + len(self._failed) == len(self._work.symbols),
            completed=tuple(self._completed),
            failed=tuple(self._failed),
            candles_saved=self._candles,
            candles_quarantined=self._quarantined,
            pages=self._pages,
            requests=self._permits.requests,
            findings=self._findings,
            timings=self._permits.timings + self._turnaround + Timings(slot_seconds=slot_seconds),
        )

    def _tell(self, kind: Literal["page", "symbol", "batch"], **counts: Any) -> None:
        requests = self._permits.requests - self._requests_told
        self._requests_told = self._permits.requests
        self._emitter.emit(
            ProgressEvent(self._worker, self._work.batch, self._work.epoch, kind, requests=requests, **counts)
        )
