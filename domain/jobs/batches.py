"""Batches: the unit in which a job's symbols are handed out, recorded and reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.jobs.timings import NOTHING_TIMED, Timings


@dataclass(frozen=True, slots=True)
class SymbolFailure:
    """A symbol that was given up: the error's class name, its message, and how often it was tried."""

    symbol: str
    kind: str
    message: str
    attempts: int


@dataclass(frozen=True, slots=True)
class BatchWork:
    """A claimed batch: its number in the job, its symbols, and the epoch of the claim, to report it under."""

    batch: int
    epoch: int
    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What a claim of a batch has done; `epoch` is that of the claim.

    `finished` is False when the worker was stopped before the end: the batch will be handed out again, without the
    symbols in `failed`. Counts are of this claim only.
    """

    batch: int
    epoch: int
    finished: bool
    completed: tuple[str, ...]
    failed: tuple[SymbolFailure, ...] = ()
    candles_saved: int = 0
    candles_quarantined: int = 0
    pages: int = 0
    requests: int = 0
    findings: Mapping[str, int] = field(default_factory=dict)
    timings: Timings = NOTHING_TIMED
    in_part: float = 0.0
    """What is collected of symbols that are neither completed nor failed, in symbols: half of one is 0.5."""


@dataclass(frozen=True, slots=True)
class WorkerOutcome:
    """Why a run ended: `done`, `stopped`, or trouble that is no symbol's fault.

    That is `broker_refused_credentials`, `storage_unavailable` or `limiter_unavailable`.
    """

    reason: str
    message: str = ""
