"""The composition root: which adapter stands behind which port.

The one module of the running system that imports adapters. Every call makes a new object and opens nothing: files and
connections are opened where they are used, perhaps on another machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actors.settings.account_limits import account_limits
from actors.settings.model import BrokerSettings, Settings
from actors.settings.state_folder import state_folder
from adapters.boot_clock import boot_identity
from adapters.boot_clock import boot_seconds as boot_seconds
from adapters.brokers.credentials import Credentials
from adapters.brokers.http.transport import HttpTransport
from adapters.brokers.registry import gateway_names as gateway_names
from adapters.brokers.registry import make_gateway
from adapters.calendars import TradingCalendars
from adapters.candle_store.listing import bytes_per_bar
from adapters.candle_store.repository import CandleFiles
from adapters.candle_store.urls import candle_folder, candle_store_at
from adapters.job_store.urls import job_owners_at, job_store_at
from adapters.permit_store.log import PermitLogFile
from adapters.permit_store.log_reader import read_audit_history as read_history_of
from adapters.permit_store.operator_pause import OperatorPauseFile
from adapters.permit_store.ownership_files import AccountOwnershipFiles
from adapters.permit_store.record import PermitRecordFile
from adapters.reading.export import export as export
from adapters.reading.parquet_mirror import MirrorReport as MirrorReport
from adapters.reading.parquet_mirror import ParquetMirror
from adapters.reports.audit_plot import draw as draw_audit
from domain.brokers.gateway import Gateway, GatewaySpec
from domain.brokers.wire import Transport
from domain.candles.dataset import Dataset
from domain.candles.sessions import SessionOverride
from domain.errors import SettingsError
from domain.jobs.ports import JobOwners, JobStore
from domain.limits.audit import AuditHistory
from domain.limits.operator_pause import OperatorPause
from domain.limits.ports import PermitLog, PermitRecord
from domain.limits.rates import AccountLimits
from domain.limits.usage import BrokerUsage

if TYPE_CHECKING:
    # A server for tests: no actor, and no command but the demo and the audit, loads it.
    from adapters.simulator import SimulatorProcess

__all__ = ["MirrorReport", "boot_seconds", "draw_audit", "export"]


def gateway_for(broker: BrokerSettings) -> Gateway:
    """The gateway that the settings name."""
    gateway = make_gateway(broker.gateway, broker.options)
    for name in gateway.spec.credentials:
        if name not in broker.credentials:
            raise SettingsError(f'broker.credentials.{name} is missing: write where it is, like "env:{name.upper()}"')
    for name in broker.credentials:
        if name not in gateway.spec.credentials:
            raise SettingsError(f"broker.credentials.{name}: {gateway.spec.name} needs no such secret: leave it out")
    return gateway


def limit_domain_of(gateway: str) -> str:
    """The limit domain of a gateway; the gateway's own name where that depends on its options."""
    try:
        return gateway_spec(gateway).limit_domain
    except SettingsError:
        return gateway


def gateway_spec(name: str) -> GatewaySpec:
    """What the gateway of that name declares, with its options left alone."""
    return make_gateway(name, {}).spec


def transport_for(broker: BrokerSettings) -> Transport:
    """The connections to the broker of the settings, or to a server that speaks like it."""
    gateway = gateway_for(broker)
    spec, base_url = gateway.spec, broker.base_url or gateway.spec.base_url
    # Another server need not have the broker's limits: its usage headers prove nothing.
    read_usage = gateway.usage if base_url == spec.base_url else partial(_without_limits, gateway)
    secrets = Credentials(spec.name, broker.credentials)
    return HttpTransport(
        spec.name,
        base_url,
        broker.timeout_seconds,
        read_usage,
        credentials=secrets,
        auth_headers=dict(spec.auth_headers),
    )


def limits_for(broker: BrokerSettings) -> AccountLimits:
    """What the settings allow the account, or what the broker documents."""
    return account_limits(broker, gateway_for(broker))


def candle_repository(root: str | Path) -> CandleFiles:
    """The candles under a folder, or at the address of one."""
    return candle_store_at(root)


def bytes_per_bar_under(root: str | Path) -> Callable[[Sequence[Dataset]], float | None]:
    """Measures the bytes on disk per bar of these datasets; None where none of them has a bar."""
    return partial(bytes_per_bar, candle_folder(root))


def mirror_of(root: str | Path, out: Path) -> ParquetMirror:
    """A Parquet mirror of the candles under `root`."""
    return ParquetMirror(candle_folder(root), out)


def calendars_with(overrides: Sequence[SessionOverride]) -> TradingCalendars:
    """The trading calendars, corrected by these overrides."""
    return TradingCalendars(overrides)


def job_store(settings: Settings) -> JobStore:
    """Where the jobs of these settings are stored as events."""
    return job_store_at(settings.storage.events, candle_folder(settings.storage.root))


def job_owners(settings: Settings) -> JobOwners:
    """Which process runs which of these jobs."""
    return job_owners_at(settings.storage.events, candle_folder(settings.storage.root))


def operator_pause(broker: str, account: str, folder: Path | None = None) -> OperatorPause:
    """The operator's pause of an account."""
    folder = folder or state_folder()
    return OperatorPauseFile(folder, broker, account, AccountOwnershipFiles(folder))


def permit_record(folder: Path, limits: AccountLimits, holder: str, session: str) -> PermitRecord:
    """The permit record of the limits' account."""
    return PermitRecordFile(folder, limits, AccountOwnershipFiles(folder), holder, session)


def permit_log(folder: Path, limits: AccountLimits, kept_days: int) -> PermitLog:
    """The log from which an audit proves a run."""
    return PermitLogFile(folder, limits.broker, limits.account, boot_identity(), kept_days=kept_days)


def read_audit_history(broker: str, account: str) -> AuditHistory:
    """Every permit that the account's log knows of."""
    return read_history_of(state_folder(), broker, account)


def ask_server(settings: Settings) -> Mapping[str, Any] | None:
    """What a simulated exchange has counted; None where the broker of these settings is not one."""
    from adapters.simulator.count import server_count

    return server_count(settings.broker.base_url if settings.broker else None)


def simulated_exchange(options: Sequence[str] = ()) -> SimulatorProcess:
    """The bundled exchange, a process of its own on loopback; `python -m adapters.simulator --help` has its options."""
    from adapters.simulator import SimulatorProcess

    return SimulatorProcess(options)


def _without_limits(gateway: Gateway, headers: Mapping[str, str]) -> list[BrokerUsage]:
    return [replace(usage, allowed=None) for usage in gateway.usage(headers)]
