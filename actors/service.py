"""CollectionService: what drivers and the command line use, and where everything is put together.

The one module that knows which adapter stands behind which port, that names actors and that turns
plain classes into actors. Ray is imported when it is first needed: looking at stored jobs never is.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from actors import ray_session
from actors.collection_worker import CollectionWorker
from actors.job_coordinator import JobCoordinator
from actors.jobs.auditor import AuditReport, JobAuditor
from actors.jobs.candle_proof import CandleProof
from actors.jobs.catalog import JobCatalog
from actors.jobs.job_service import JobService
from actors.jobs.planner import JobPlan, JobPlanner
from actors.jobs.proof import JobProof
from actors.jobs.requests import request_from
from actors.jobs.runner import JobRunner
from actors.jobs.runners import Runners
from actors.jobs.selection import DatasetSelection
from actors.moments import now
from actors.permits.client import PermitClient
from actors.permits.limits import account_limits, check_fits
from actors.permits.operator import LimiterOperator, LimiterSearch
from actors.rate_limiter import RateLimiter
from actors.settings import BrokerSettings, Settings
from actors.state_folder import STATE_FOLDER_VARIABLE as STATE_FOLDER_VARIABLE
from actors.state_folder import state_folder as state_folder
from adapters.atomic_file import make_folder
from adapters.brokers.binance import DEFAULT_LIMITS, BinanceGateway
from adapters.candle_export import export
from adapters.candle_files import CandleFiles
from adapters.job_journal import JobJournal
from adapters.parquet_mirror import MirrorReport, ParquetMirror
from adapters.permits.account_switch import AccountSwitchFile
from adapters.permits.audit_plot import draw
from adapters.permits.log import PermitLogFile
from adapters.permits.log_reader import read_trail
from adapters.permits.record import PermitRecordFile, boot_identity
from adapters.segments.listing import bytes_per_bar
from adapters.simulator import SimulatorProcess
from adapters.simulator.count import server_count
from adapters.trading_calendars import TradingCalendars
from domain.leases import LeaseTerms
from domain.ports import TradingCalendar
from domain.rates import AccountLimits
from domain.requests import CollectionRequest
from domain.sessions import SessionOverride


def gateway_for(broker: BrokerSettings) -> BinanceGateway:
    """The gateway that the settings name."""
    if broker.base_url is None:
        return BinanceGateway(timeout_seconds=broker.timeout_seconds)
    return BinanceGateway(broker.base_url, broker.timeout_seconds)


def limits_for(broker: BrokerSettings) -> AccountLimits:
    """What the settings allow the account, or what the broker documents."""
    return account_limits(broker, gateway_for(broker), DEFAULT_LIMITS)


def candle_proof(root: Path, overrides: Sequence[SessionOverride]) -> CandleProof:
    """What the candles under a folder prove by themselves, with these overrides of their calendars."""
    files = CandleFiles(root)
    return CandleProof(files, files.quarantined, TradingCalendars(overrides).named, now)


def simulated_exchange(options: Sequence[str] = ()) -> SimulatorProcess:
    """The bundled exchange, a process of its own on loopback; `python -m adapters.simulator --help` has its options."""
    return SimulatorProcess(options)


def as_actor(plain: type, **options: Any) -> Any:
    """The plain class as an actor class, built inside its process from what a picklable builder returns."""
    import ray

    class Actor(plain):  # type: ignore[misc]
        def __init__(self, build: Callable[[], dict[str, Any]]) -> None:
            super().__init__(**build())

    Actor.__name__ = Actor.__qualname__ = plain.__name__
    return ray.remote(**options)(Actor)


@dataclass(frozen=True)
class LimiterBuilder:
    """Builds a RateLimiter inside its actor."""

    limits: AccountLimits
    folder: Path
    holder: str
    session: str
    audit_days: int = 90

    def __call__(self) -> dict[str, Any]:
        from actors.metrics import RayLimiterMetrics

        broker, account = self.limits.broker, self.limits.account
        return {
            "limits": self.limits,
            "open_record": lambda limits: PermitRecordFile(self.folder, limits, self.holder, self.session),
            "metrics": RayLimiterMetrics(broker, account),
            "log": PermitLogFile(self.folder, broker, account, boot_identity(), kept_days=self.audit_days),
            "is_paused": AccountSwitchFile(self.folder, broker, account).is_paused,
        }


@dataclass(frozen=True)
class WorkerBuilder:
    """Builds a CollectionWorker inside its actor."""

    settings: Settings
    job_id: str
    name: str
    limiter: Any
    coordinator: Any
    calendar: TradingCalendar

    def __call__(self) -> dict[str, Any]:
        from actors.handles import RemoteJobRepository, RemoteRateLimiter

        broker = self.settings.require_broker()
        coordinator = RemoteJobRepository(self.coordinator)
        limits = limits_for(broker)
        flush_seconds = 0.5 * limits.shortest.window_seconds
        return {
            "job_repo": coordinator,
            "broker_gateway": gateway_for(broker),
            "candle_repo": CandleFiles(self.settings.storage.root),
            "rate_limiter": PermitClient(RemoteRateLimiter(self.limiter), flush_seconds, leases=LeaseTerms.of(limits)),
            "event_emitter": coordinator,
            "name": self.name,
            "job_id": self.job_id,
            "calendar": self.calendar,
        }


@dataclass(frozen=True)
class CoordinatorBuilder:
    """Builds a JobCoordinator inside its actor; `options` place the workers' actors."""

    settings: Settings
    job_id: str
    limiter: Any
    options: dict[str, Any]
    calendar: TradingCalendar

    def __call__(self) -> dict[str, Any]:
        import ray

        from actors.handles import RemoteRateLimiter, RemoteWorker
        from actors.metrics import RayJobMetrics

        me = ray.get_runtime_context().current_actor
        worker_class = as_actor(CollectionWorker, num_cpus=0, max_restarts=0, max_concurrency=100, **self.options)

        def new_worker(name: str) -> RemoteWorker:
            builder = WorkerBuilder(self.settings, self.job_id, name, self.limiter, me, self.calendar)
            named = worker_class.options(name=f"{name}:{self.job_id}", namespace=ray_session.NAMESPACE)
            return RemoteWorker(name, named.remote(builder))

        return {
            "job_id": self.job_id,
            "store": JobJournal.sqlite(events_path(self.settings)),
            "worker_factory": new_worker,
            "limiter_status": RemoteRateLimiter(self.limiter).status,
            "candles_per_page": gateway_for(self.settings.require_broker()).max_candles_per_page,
            "metrics": RayJobMetrics(self.job_id),
        }


def limiter_operator(broker: str, account: str, cluster: str | None = None) -> LimiterOperator:
    """What can be done with an account's limiter; `cluster` is where to look when nothing is known on this machine."""
    switch = AccountSwitchFile(state_folder(), broker, account)
    search = LimiterSearch(
        lambda: switch.limiter_address() or cluster, lambda: ray_session.find_actor(f"limiter:{broker}:{account}")
    )
    return LimiterOperator(switch, search, search.close)


def events_path(settings: Settings) -> Path:
    """Where the jobs' events are stored."""
    return settings.storage.root / "jobs.sqlite"


class CollectionService(JobService):
    """Collects candles as a settings file says; a context manager."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._overrides = settings.job.calendar_overrides if settings.job else ()
        self._calendars = TradingCalendars(self._overrides)
        make_folder(settings.storage.root)
        catalog = JobCatalog(JobJournal.sqlite(events_path(settings)), BinanceGateway.max_candles_per_page)
        runner = JobRunner(
            Runners(settings.storage.root / ".runners"),
            settings.cluster.address,
            self._new_coordinator,
            lambda job_id: ray_session.find_actor(f"job:{job_id}"),
            catalog.progress,
        )
        super().__init__(catalog, runner, self.request)

    def request(self) -> CollectionRequest:
        """What the settings ask for; without an end, up to the last bar that has closed."""
        limits_for(self._settings.require_broker())
        request = request_from(self._settings, gateway_for(self._settings.require_broker()), now())
        # An unknown name is the user's mistake, and said before anything starts.
        self._calendars.named(request.calendar, request.span)
        return request

    def plan(self) -> JobPlan:
        """What collecting would take now; no request is made."""
        broker, candles = self._settings.require_broker(), CandleFiles(self._settings.storage.root)
        measure = partial(bytes_per_bar, candles.root)
        planner = JobPlanner(self._catalog, candles, gateway_for(broker), limits_for(broker), measure)
        return planner.plan(self.request())

    def export(self, out: Path, format: str, job: str | None = None, symbols: Sequence[str] = ()) -> list[Path]:
        """Write candles to files: a job's, or those of the settings file, all or the named symbols."""
        candles = CandleFiles(self._settings.storage.root)
        datasets, span = self._selection().to_export(job, symbols, candles.datasets)
        return export(candles, datasets, span, format, out)

    def mirror(self, out: Path, job: str | None = None) -> MirrorReport:
        """Bring a Parquet mirror up to date: a job's candles, or all that are stored."""
        candles = CandleFiles(self._settings.storage.root)
        datasets = candles.datasets() if job is None else self._selection().of_job(job)
        return ParquetMirror(candles.root, out).update(datasets, is_whole_store=job is None)

    def audit(self, job: str, plot: Path | None = None) -> AuditReport:
        """What the log of permits proves of a job; see `JobAuditor`."""
        base_url = self._settings.broker.base_url if self._settings.broker else None
        count = partial(server_count, base_url)
        return JobAuditor(self._catalog, partial(read_trail, state_folder()), count, draw).audit(job, plot)

    def proof(self) -> JobProof:
        """What is there of a job or a symbol, what is not, and what can be done about it; no request is made."""
        gateway = gateway_for(self._settings.require_broker())
        proof = candle_proof(self._settings.storage.root, self._overrides)
        return JobProof(self._settings, self._catalog, proof, gateway.dataset)

    def _selection(self) -> DatasetSelection:
        return DatasetSelection(self._catalog, gateway_for(self._settings.require_broker()).dataset, self.request)

    def _new_coordinator(self, job_id: str) -> Any:
        options = ray_session.on_this_node()
        limiter = self._limiter(options)
        coordinator_class = as_actor(
            JobCoordinator, num_cpus=0, max_restarts=-1, max_task_retries=-1, max_concurrency=1000, **options
        )
        request = self._catalog.request(job_id)
        calendar = self._calendars.named(request.calendar, request.span)
        builder = CoordinatorBuilder(self._settings, job_id, limiter, options, calendar)
        return coordinator_class.options(name=f"job:{job_id}", namespace=ray_session.NAMESPACE).remote(builder)

    def _limiter(self, options: dict[str, Any]) -> Any:
        from actors.handles import LimiterHandle

        broker = self._settings.require_broker()
        limits = limits_for(broker)
        holder = f"process {os.getpid()} on {socket.gethostname()}"
        limiter_class = as_actor(
            RateLimiter, num_cpus=0, max_restarts=-1, max_task_retries=-1, max_concurrency=10_000, **options
        )
        name = f"limiter:{limits.broker}:{limits.account}"
        limiter = limiter_class.options(
            name=name, namespace=ray_session.NAMESPACE, lifetime="detached", get_if_exists=True
        ).remote(LimiterBuilder(limits, state_folder(), holder, uuid4().hex, broker.audit_days))
        switch = AccountSwitchFile(state_folder(), limits.broker, limits.account)
        agreed = LimiterHandle(limiter).take_account(limits, switch, ray_session.cluster_address())
        check_fits(agreed.limits, gateway_for(broker))
        return limiter
