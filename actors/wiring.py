"""The composition root: which adapter stands behind which port.

The one module of the running system that imports adapters. Every function makes what it names anew and
opens nothing: files and connections are opened by who uses them, wherever that is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from actors.settings.account_limits import account_limits
from actors.settings.model import BrokerSettings, Settings
from actors.settings.state_folder import state_folder
from adapters.brokers.binance.gateway import DEFAULT_LIMITS, BinanceGateway
from adapters.calendars import TradingCalendars
from adapters.candle_store.listing import bytes_per_bar
from adapters.candle_store.repository import CandleFiles
from adapters.candle_store.urls import candle_folder, candle_store_at
from adapters.files.atomic import make_folder
from adapters.job_store.urls import job_owners_at, job_store_at
from adapters.permit_store.log import PermitLogFile
from adapters.permit_store.log_reader import read_audit_history as read_history_of
from adapters.permit_store.operator_pause import OperatorPauseFile
from adapters.permit_store.ownership_files import AccountOwnershipFiles
from adapters.permit_store.record import PermitRecordFile, boot_identity
from adapters.reading.export import export as export
from adapters.reading.parquet_mirror import MirrorReport as MirrorReport
from adapters.reading.parquet_mirror import ParquetMirror
from adapters.reports.audit_plot import draw as draw_audit
from adapters.simulator import SimulatorProcess
from adapters.simulator.count import server_count
from domain.brokers.gateway import BrokerGateway
from domain.candles.dataset import Dataset
from domain.candles.sessions import SessionOverride
from domain.jobs.ports import JobOwners, JobStore
from domain.limits.audit import AuditHistory
from domain.limits.operator_pause import OperatorPause
from domain.limits.ports import PermitLog, PermitRecord
from domain.limits.rates import AccountLimits

__all__ = ["MirrorReport", "draw_audit", "export"]


def gateway_for(broker: BrokerSettings) -> BrokerGateway:
    """The gateway that the settings name."""
    if broker.base_url is None:
        return BinanceGateway(timeout_seconds=broker.timeout_seconds)
    return BinanceGateway(broker.base_url, broker.timeout_seconds)


def limits_for(broker: BrokerSettings) -> AccountLimits:
    """What the settings allow the account, or what the broker documents."""
    return account_limits(broker, gateway_for(broker), DEFAULT_LIMITS)


def candle_repository(root: str | Path) -> CandleFiles:
    """The candles under a folder, or at the address of one."""
    return candle_store_at(root)


def bytes_per_bar_under(root: str | Path) -> Callable[[Sequence[Dataset]], float | None]:
    """Measures what a bar of these datasets takes on disk; None where none of them has one."""
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


def make_storage_folder(settings: Settings) -> None:
    """Create the folder that holds candles and jobs."""
    make_folder(candle_folder(settings.storage.root))


def operator_pause(broker: str, account: str, folder: Path | None = None) -> OperatorPause:
    """The operator's pause of an account."""
    folder = folder or state_folder()
    return OperatorPauseFile(folder, broker, account, AccountOwnershipFiles(folder))


def permit_record(folder: Path, limits: AccountLimits, holder: str, session: str) -> PermitRecord:
    """The memory of the permits of the limits' account."""
    return PermitRecordFile(folder, limits, AccountOwnershipFiles(folder), holder, session)


def permit_log(folder: Path, limits: AccountLimits, kept_days: int) -> PermitLog:
    """The log from which an audit proves a run."""
    return PermitLogFile(folder, limits.broker, limits.account, boot_identity(), kept_days=kept_days)


def read_audit_history(broker: str, account: str) -> AuditHistory:
    """Every permit that the account's log knows of."""
    return read_history_of(state_folder(), broker, account)


def ask_server(settings: Settings) -> Mapping[str, Any] | None:
    """What a simulated exchange has counted; None where the broker of these settings is none."""
    return server_count(settings.broker.base_url if settings.broker else None)


def simulated_exchange(options: Sequence[str] = ()) -> SimulatorProcess:
    """The bundled exchange, a process of its own on loopback; `python -m adapters.simulator --help` has its options."""
    return SimulatorProcess(options)


def candles_per_page(settings: Settings) -> int:
    """How many candles one request can bring, by the settings' gateway."""
    return (
        BinanceGateway.max_candles_per_page
        if settings.broker is None
        else gateway_for(settings.broker).max_candles_per_page
    )
