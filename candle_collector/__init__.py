"""Candle Collector for programs: everything that a driver, a notebook or a test of yours imports.

Each name is imported when it is first used, so reading candles needs no HTTP client. None of them imports Ray, which
has to be configured before its import: a service does both when a job is about to run. Names that are not listed here
are internal and may change in any version.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actors.cli.text.progress import progress_line, summary
    from actors.exit_codes import ExitCode, run_driver
    from actors.service import CollectionService
    from actors.settings.model import Settings
    from actors.wiring import simulated_exchange
    from adapters.reading.reader import CandleReader, Holding
    from domain.candles.candles import Candles
    from domain.candles.dataset import Dataset, Interval
    from domain.errors import (
        CollectorError,
        CorruptSegment,
        IllegalTransition,
        JobNotFound,
        LimiterUnavailable,
        SettingsError,
        StorageError,
    )
    from domain.jobs.progress import Progress
    from domain.jobs.status import JobStatus
    from domain.spans.time_span import TimeSpan

__all__ = [
    "CandleReader",
    "Candles",
    "CollectionService",
    "CollectorError",
    "CorruptSegment",
    "Dataset",
    "ExitCode",
    "Holding",
    "IllegalTransition",
    "Interval",
    "JobNotFound",
    "JobStatus",
    "LimiterUnavailable",
    "Progress",
    "Settings",
    "SettingsError",
    "StorageError",
    "TimeSpan",
    "progress_line",
    "run_driver",
    "simulated_exchange",
    "summary",
]

_MODULES = {
    "actors.cli.text.progress": ("progress_line", "summary"),
    "actors.exit_codes": ("ExitCode", "run_driver"),
    "actors.service": ("CollectionService",),
    "actors.settings.model": ("Settings",),
    "actors.wiring": ("simulated_exchange",),
    "adapters.reading.reader": ("CandleReader", "Holding"),
    "domain.candles.candles": ("Candles",),
    "domain.candles.dataset": ("Dataset", "Interval"),
    "domain.errors": (
        "CollectorError",
        "CorruptSegment",
        "IllegalTransition",
        "JobNotFound",
        "LimiterUnavailable",
        "SettingsError",
        "StorageError",
    ),
    "domain.jobs.progress": ("Progress",),
    "domain.jobs.status": ("JobStatus",),
    "domain.spans.time_span": ("TimeSpan",),
}
"""Where each name is defined: the same as the imports above, which only type checkers execute."""


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
