"""Progress: an immutable snapshot of a job, for people and programs that watch it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from domain.jobs.job import JobStatus


@dataclass(frozen=True, slots=True)
class Progress:
    """A job at one moment. `version` grows with every change, so a watcher asks for what is newer.

    Counts of symbols come from recorded events; pages, candles and requests include what workers
    told since (`live`), and are what the bar and the ETA are made of.
    """

    job_id: str
    status: JobStatus
    reason: str
    version: int
    symbols_total: int
    symbols_completed: int
    symbols_failed: int
    pages_total: int
    pages_done: int
    candles_saved: int
    candles_quarantined: int
    requests: int
    started_at: datetime | None = None
    completed_at: datetime | None = None
    running_seconds: float = 0.0
    eta_seconds: float | None = None
    requests_per_second: float = 0.0
    mean_call_seconds: float = 0.0
    limits: tuple[str, ...] = ()
    cooldown_seconds: float = 0.0
    """For how long nothing may be sent, because of `cooldown_reason`; without a reason, because the broker refused."""
    cooldown_reason: str = ""
    findings: dict[str, int] = field(default_factory=dict)
    """Bars by what was noticed of them: the reasons of refused ones, and what the calendar did not explain."""
    is_account_paused: bool = False
    """Whether an operator paused the account: `candles limiter resume` lets requests be sent again."""
    failed_symbols: dict[str, str] = field(default_factory=dict)
    """The first of them, symbol -> message; `status --json` lists all."""
    is_attended: bool = False
    """Whether a coordinator has the job in hand: one that is paused and attended can resume where it is."""

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON types; times in ISO 8601."""
        plain = asdict(self)
        plain["status"] = str(self.status)
        for name in ("started_at", "completed_at"):
            moment = plain[name]
            plain[name] = moment.isoformat() if moment else None
        return plain
