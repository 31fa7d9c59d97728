"""CollectionRequest: everything that decides which candles a job collects, and how."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum

from domain.candles.dataset import Interval
from domain.candles.sessions import ALWAYS_OPEN, DAY_MS
from domain.limits.messages import Priority
from domain.spans.time_span import TimeSpan


class OnTooManyFailures(StrEnum):
    """What a job does when more symbols have failed than it allows."""

    PAUSE = "pause"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class FailureAllowance:
    """How many symbols may fail: a count, or a share of the job's symbols ("10%")."""

    count: int | None = None
    share: float | None = None

    def __post_init__(self) -> None:
        if (self.count is None) == (self.share is None):
            raise ValueError("an allowance is a count or a share, one of the two")
        if (self.count or 0) < 0 or not 0 <= (self.share or 0) <= 1:
            raise ValueError(f"an allowance is not negative and at most 100%, not {self}")

    @classmethod
    def parse(cls, value: str | int) -> FailureAllowance:
        """Read 25 or "10%"; anything else raises ValueError saying how to write it."""
        text = str(value).strip()
        try:
            if text.endswith("%"):
                return cls(share=float(text[:-1]) / 100)
            return cls(count=int(text))
        except ValueError:
            raise ValueError(
                f'{value!r} is not a number of failures: write a count like 25 or a share like "10%"'
            ) from None

    def symbols(self, total: int) -> int:
        """The most symbols that may fail out of `total`."""
        if self.count is not None:
            return self.count
        assert self.share is not None
        return math.floor(total * self.share + 1e-9)

    def __str__(self) -> str:
        return str(self.count) if self.count is not None else f"{100 * (self.share or 0):g}%"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """How a job is done: each option, with its default, is declared here and travels with the others as one value.

    Workers take `batch_size` symbols at a time, and have `concurrency` groups of them in progress. `calendar` names
    the sessions in which bars are expected ("24/7", "XNYS"); a bar that closed less than `settle_seconds` before
    its request is provisional, and requested again once it has settled.
    """

    batch_size: int = 10
    workers: int = 2
    concurrency: int = 4
    max_failures: FailureAllowance = FailureAllowance(share=0.1)
    on_too_many_failures: OnTooManyFailures = OnTooManyFailures.PAUSE
    priority: Priority = Priority.BULK
    calendar: str = ALWAYS_OPEN
    settle_seconds: int = 0


OPTION_NAMES = tuple(field.name for field in fields(JobOptions))
DEFAULT_OPTIONS = JobOptions()


@dataclass(frozen=True, slots=True)
class CollectionRequest(JobOptions):
    """What a job collects, and how; frozen with the job.

    `span` is on the interval's grid. `open_ended` says that no end was given: the end in `span` is that of the last bar
    that had closed when the job was submitted, and a later submission collects more. With `recheck_gaps`, gaps are
    requested once more. `variant` says which of the broker's candles of a symbol these are, see `Dataset`. The broker's
    address, its limits and the storage belong to the settings, not to the job.
    """

    broker: str
    account: str
    symbols: tuple[str, ...]
    interval: Interval
    span: TimeSpan
    open_ended: bool = False
    recheck_gaps: bool = False
    variant: str = ""

    def __post_init__(self) -> None:
        if not self.symbols:
            raise ValueError("a job needs at least one symbol")
        if len(set(self.symbols)) != len(self.symbols):
            raise ValueError("a job names each symbol once")
        for name in ("batch_size", "workers", "concurrency"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if self.settle_seconds < 0:
            raise ValueError("settle_seconds must not be negative")

    @property
    def allowed_failures(self) -> int:
        return self.max_failures.symbols(len(self.symbols))

    def settled_bars(self, moment: datetime) -> int:
        """How many bars of the span had settled by then; one more at the end allows for a broker's clock that is late.

        For months it counts days: enough to tell that more has settled.
        """
        duration_ms = self.interval.duration_ms if self.interval.is_fixed else DAY_MS
        settled_ms = int(moment.timestamp() * 1000) - self.settle_seconds * 1000
        return max(0, min(settled_ms, self.span.end_ms + duration_ms) - self.span.start_ms) // duration_ms
