"""Builders: picklable recipes by which Ray makes our plain classes inside their actors' processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import ray

from actors import wiring
from actors.cluster.handles import RemoteAttendance, RemoteJobRepository, RemoteRateLimiter, RemoteWorker
from actors.cluster.metrics import RayJobMetrics, RayLimiterMetrics
from actors.cluster.session import NAMESPACE
from actors.collecting.permit_client import PermitClient
from actors.collection_worker import CollectionWorker
from actors.settings.model import Settings
from domain.candles.ports import TradingCalendar
from domain.jobs.forecast import queries_per_symbol
from domain.limits.permit_bundles import BundleTerms
from domain.limits.rates import AccountLimits


def as_actor(plain: type, **options: Any) -> Any:
    """The plain class as an actor class, built inside its process from what a picklable builder returns."""

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
        broker, account = self.limits.broker, self.limits.account
        return {
            "limits": self.limits,
            "open_record": partial(wiring.permit_record, self.folder, holder=self.holder, session=self.session),
            "metrics": RayLimiterMetrics(broker, account),
            "clock": wiring.boot_seconds,
            "log": wiring.permit_log(self.folder, self.limits, self.audit_days),
            "is_paused": wiring.operator_pause(broker, account, self.folder).is_paused,
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
        broker = self.settings.require_broker()
        coordinator, limiter = RemoteJobRepository(self.coordinator), RemoteRateLimiter(self.limiter)
        limits = wiring.limits_for(broker)
        flush_seconds = 0.5 * limits.shortest.window_seconds
        return {
            "job_repo": coordinator,
            "broker_gateway": wiring.gateway_for(broker),
            "transport": wiring.transport_for(broker),
            "candle_repo": wiring.candle_repository(self.settings.storage.root),
            "rate_limiter": PermitClient(
                limiter, flush_seconds, clock=wiring.boot_seconds, bundles=BundleTerms.of(limits)
            ),
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
        me = ray.get_runtime_context().current_actor
        broker = self.settings.require_broker()
        gateway = wiring.gateway_for(broker)
        worker_class = as_actor(CollectionWorker, num_cpus=0, max_restarts=0, max_concurrency=100, **self.options)

        def new_worker(name: str) -> RemoteWorker:
            builder = WorkerBuilder(self.settings, self.job_id, name, self.limiter, me, self.calendar)
            named = worker_class.options(name=f"{name}:{self.job_id}", namespace=NAMESPACE)
            return RemoteWorker(name, named.remote(builder))

        return {
            "job_id": self.job_id,
            "store": wiring.job_store(self.settings),
            "worker_factory": new_worker,
            "limiter": RemoteAttendance(self.limiter, self.job_id, wiring.limits_for(broker)),
            "queries_per_symbol": partial(queries_per_symbol, gateway, self.calendar),
            "metrics": RayJobMetrics(self.job_id),
        }
