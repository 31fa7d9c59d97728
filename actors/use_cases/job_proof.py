"""JobProof: gaps, quarantine, certificates and repair of the datasets of a job, a symbol or a settings file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from actors.settings.model import Settings
from actors.use_cases.candle_proof import LONGEST_KNOWN_MS, CandleProof, Scope
from actors.use_cases.catalog import JobCatalog
from domain.candles.certificates import Certificate
from domain.candles.completeness import Completeness
from domain.candles.dataset import Dataset, Interval
from domain.candles.ports import DamagedSegment
from domain.candles.sessions import ALWAYS_OPEN
from domain.candles.validation import QuarantinedCandle
from domain.errors import JobNotFound, SettingsError
from domain.jobs.request import CollectionRequest
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan


@dataclass(frozen=True, slots=True)
class Repair:
    """The damaged files that a repair has set aside, and the requests that will fetch what is missing.

    `target` is the full name of what was repaired: the new jobs may make its beginning ambiguous.
    """

    target: str
    set_aside: tuple[DamagedSegment, ...]
    requests: tuple[CollectionRequest, ...]


class JobProof:
    """Answers for a target: a job, by any unique beginning of its id, or a stored symbol.

    `dataset_of` gives the dataset of a symbol and an interval, of a job's broker if a job is named. A target that is
    neither raises SettingsError.
    """

    def __init__(
        self,
        settings: Settings,
        catalog: JobCatalog,
        proof: CandleProof,
        dataset_of: Callable[[str, Interval, CollectionRequest | None], Dataset],
    ) -> None:
        self._settings = settings
        self._catalog = catalog
        self._proof = proof
        self._dataset_of = dataset_of

    def gaps(self, target: str, interval: str | None = None) -> list[Completeness]:
        """What is stored of each of the target's datasets, and what is not."""
        return [self._proof.completeness(scope) for scope in self._scopes(target, interval)]

    def certificates(self, job: str) -> list[Certificate]:
        """Every dataset of a job, read in full and judged."""
        return [self._proof.certificate(scope) for scope in self._scopes_of_job(self._catalog.find(job))]

    def quarantine(self, job: str) -> list[tuple[Dataset, QuarantinedCandle]]:
        """Every refused bar of a job's datasets, inside the job's span or not."""
        scopes = self._scopes_of_job(self._catalog.find(job))
        return [(scope.dataset, refused) for scope in scopes for refused in self._proof.quarantined(scope.dataset)]

    def repair(self, target: str, interval: str | None = None) -> Repair:
        """Set damaged files aside, and return the requests for all that is missing or was denied.

        Raises SettingsError, before anything is set aside, for what this settings file could not fetch again.
        """
        scopes = self._scopes(target, interval)
        for scope in scopes:
            self._require_repairable(scope)
        set_aside: list[DamagedSegment] = []
        to_repair = []
        for scope in scopes:
            before = self._proof.completeness(scope).span
            moved = self._proof.candles.set_aside(scope.dataset)
            # A file that is set aside no longer shows how far the store went.
            spanned = scope if scope.span or not moved else replace(scope, span=self._extent(scope, before, moved))
            completeness = self._proof.completeness(spanned)
            set_aside += moved
            if completeness.needs_repair:
                to_repair.append((scope, completeness))
        return Repair(self._full_name(target), tuple(set_aside), tuple(self._requests(to_repair)))

    def _require_repairable(self, scope: Scope) -> None:
        dataset, damaged = scope.dataset, self._proof.candles.damaged(scope.dataset)
        before = self._proof.completeness(scope)
        if not damaged and not before.needs_repair:
            return
        if self._dataset_of(dataset.symbol, dataset.interval, None) != dataset:
            raise SettingsError(f"{dataset.symbol} is not what [broker] in {self._settings.source} would collect")
        if scope.span is None and not self._extent(scope, before.span, damaged):
            what = f"it is unknown how much of {dataset.symbol} {dataset.interval} was stored"
            raise SettingsError(f"{what}: repair the job that collected it")

    def _extent(self, scope: Scope, before: TimeSpan, damaged: Iterable[DamagedSegment]) -> TimeSpan:
        """From the first to the last time that was answered, or may have been; empty where that is unknown."""
        known = (damage.lost for damage in damaged if damage.lost.duration_ms < LONGEST_KNOWN_MS)
        lost = [self._proof.past(scope.dataset, span) for span in known]
        return SpanSet([before, self._proof.completeness(scope).span, *lost]).extent

    def _full_name(self, target: str) -> str:
        try:
            return self._catalog.find(target)
        except JobNotFound:
            return target

    def _scopes(self, target: str, interval: str | None) -> list[Scope]:
        try:
            job_id = self._catalog.find(target)
        except JobNotFound:
            return self._scopes_of_symbol(target, interval)
        if interval is not None:
            raise SettingsError(f"{target} is a job, and a job has one interval: leave --interval out")
        return self._scopes_of_job(job_id)

    def _scopes_of_job(self, job_id: str) -> list[Scope]:
        request = self._catalog.request(job_id)
        return [
            Scope(
                self._dataset_of(symbol, request.interval, request),
                request.span,
                request.calendar,
                request.settle_seconds,
            )
            for symbol in request.symbols
        ]

    def _scopes_of_symbol(self, symbol: str, interval: str | None) -> list[Scope]:
        job = self._settings.job
        calendar, settle_seconds = (job.calendar, job.settle_seconds) if job else (ALWAYS_OPEN, 0)
        found = [
            Scope(dataset, None, calendar, settle_seconds)
            for dataset in self._proof.candles.datasets()
            if dataset.symbol == symbol and interval in (None, dataset.interval.name)
        ]
        if not found:
            what = f"a symbol with {interval} candles" if interval else "a symbol"
            raise SettingsError(f"{symbol!r} is neither a job nor {what} in this store")
        return found

    def _requests(self, to_repair: Iterable[tuple[Scope, Completeness]]) -> Iterable[CollectionRequest]:
        """One request for each span and interval, which all symbols of a job share."""
        broker, job = self._settings.require_broker(), self._settings.job
        together: dict[tuple[Interval, TimeSpan], list[Scope]] = {}
        for scope, one in to_repair:
            together.setdefault((scope.dataset.interval, one.span), []).append(scope)
        for (interval, span), scopes in together.items():
            request = CollectionRequest(
                broker.gateway,
                broker.account,
                tuple(scope.dataset.symbol for scope in scopes),
                interval,
                span,
                calendar=scopes[0].calendar or ALWAYS_OPEN,
                settle_seconds=scopes[0].settle_seconds,
                recheck_gaps=True,
                variant=scopes[0].dataset.variant,
            )
            if job:
                request = replace(request, workers=job.workers, concurrency=job.concurrency, priority=job.priority)
            yield request
