"""CollectionService: everything that a driver, or the command line, can do.

Ray is imported when it is first needed: looking at stored jobs does not need it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from actors import wiring
from actors.cluster.discovery import LimiterSearch
from actors.settings.model import Settings
from actors.settings.signature import signed, this_program
from actors.settings.timestamps import now
from actors.use_cases.auditor import AuditReport, JobAuditor
from actors.use_cases.candle_proof import CandleProof
from actors.use_cases.catalog import JobCatalog
from actors.use_cases.job_proof import JobProof
from actors.use_cases.job_service import JobService
from actors.use_cases.limiter_operator import LimiterOperator
from actors.use_cases.planner import JobPlan, JobPlanner
from actors.use_cases.request_from_settings import request_from
from actors.use_cases.runner import JobRunner
from actors.use_cases.selection import DatasetSelection
from domain.candles.dataset import Dataset, Interval
from domain.candles.ports import TradingCalendar
from domain.candles.sessions import SessionOverride
from domain.errors import SettingsError
from domain.jobs.request import CollectionRequest
from domain.limits.audit import AuditHistory


def candle_proof(root: str | Path, overrides: Sequence[SessionOverride]) -> CandleProof:
    """The proof of the candles under a folder, with these overrides of their calendars."""
    candles = wiring.candle_repository(root)
    return CandleProof(candles, candles.quarantined, wiring.calendars_with(overrides).named, now)


def limiter_operator(broker: str, account: str, cluster: str | None = None) -> LimiterOperator:
    """The operator of an account's limiter; `cluster` is where to look when this machine knows of no limiter."""
    switch = wiring.operator_pause(broker, account)
    search = LimiterSearch(broker, account, lambda: switch.limiter_address() or cluster)
    return LimiterOperator(switch, search, search.close)


class CollectionService(JobService):
    """Collects candles as a settings file says; a context manager.

    `by` says who gives the commands, for the jobs' history; unset: this user, host and program.
    """

    def __init__(self, settings: Settings, by: str = "") -> None:
        by = by or signed(this_program())
        self._settings = settings
        self._overrides = tuple(
            override for part in settings.jobs if part.job for override in part.job.calendar_overrides
        )
        self._calendars = wiring.calendars_with(self._overrides)
        self._candles = wiring.candle_repository(settings.storage.root)
        catalog = JobCatalog(wiring.job_store(settings))
        runner = JobRunner(
            wiring.job_owners(settings), settings.cluster.address, self._new_coordinator, catalog.progress, by
        )
        super().__init__(catalog, runner, self.request, by)

    def request(self) -> CollectionRequest:
        """The request of the settings' first job; without an end, up to the last closed bar."""
        broker = self._settings.require_broker()
        wiring.limits_for(broker)
        request = request_from(self._settings, wiring.gateway_for(broker), now())
        # An unknown name is the user's mistake, and reported before anything starts.
        self._calendars.named(request.calendar, request.span)
        return request

    def plan(self) -> JobPlan:
        """What collecting would take now; no request is made."""
        broker = self._settings.require_broker()
        gateway, limits = wiring.gateway_for(broker), wiring.limits_for(broker)
        measure = wiring.bytes_per_bar_under(self._settings.storage.root)
        planner = JobPlanner(self._catalog, self._candles, gateway, limits, self._calendar_of, measure)
        return planner.plan(self.request())

    def export(self, out: Path, format: str, job: str | None = None, symbols: Sequence[str] = ()) -> list[Path]:
        """Write candles to files: a job's, or those of the settings file, all or the named symbols."""
        datasets, span = self._selection().to_export(job, symbols, self._candles.datasets)
        return wiring.export(self._candles, datasets, span, format, out)

    def mirror(self, out: Path, job: str | None = None) -> wiring.MirrorReport:
        """Bring a Parquet mirror up to date: a job's candles, or all that are stored."""
        datasets = self._candles.datasets() if job is None else self._selection().of_job(job)
        mirror = wiring.mirror_of(self._settings.storage.root, out)
        return mirror.update(datasets, is_whole_store=job is None)

    def audit(self, job: str, plot: Path | None = None) -> AuditReport:
        """What the permit log proves of a job; see `JobAuditor`."""
        ask_server = partial(wiring.ask_server, self._settings)
        return JobAuditor(self._catalog, self._audit_history_of, ask_server, wiring.draw_audit).audit(job, plot)

    def _audit_history_of(self, request: CollectionRequest) -> AuditHistory:
        limits = wiring.limits_for(self._part_for(request).require_broker())
        return wiring.read_audit_history(limits.broker, limits.account)

    def proof(self) -> JobProof:
        """Gaps, quarantine, certificates and repair of a job or a symbol; no request is made."""
        self._settings.require_broker()
        proof = candle_proof(self._settings.storage.root, self._overrides)
        return JobProof(self._settings, self._catalog, proof, self._dataset_of)

    def _selection(self) -> DatasetSelection:
        return DatasetSelection(self._catalog, self._dataset_of, self.request)

    def _new_coordinator(self, job_id: str) -> Any:
        from actors.cluster.job_actors import JobActors

        request = self._catalog.request(job_id)
        return JobActors(self._part_for(request)).coordinator(job_id, self._calendar_of(request))

    def _part_for(self, request: CollectionRequest) -> Settings:
        """The settings for a job of that request: the part with its broker, account and variant."""
        for part in self._settings.jobs:
            broker = part.require_broker()
            if (broker.gateway, broker.account) == (request.broker, request.account):
                dataset = wiring.gateway_for(broker).dataset(request.symbols[0], request.interval)
                if dataset.variant == request.variant:
                    return part
        what = f"{request.broker}, account {request.account!r}" + (f", {request.variant}" if request.variant else "")
        raise SettingsError(f"{self._settings.source}: no section [broker] is the job's: it is of {what}")

    def _dataset_of(self, symbol: str, interval: Interval, request: CollectionRequest | None = None) -> Dataset:
        part = self._part_for(request) if request else self._settings
        return wiring.gateway_for(part.require_broker()).dataset(symbol, interval)

    def _calendar_of(self, request: CollectionRequest) -> TradingCalendar:
        return self._calendars.named(request.calendar, request.span)
