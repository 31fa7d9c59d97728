"""HistoryEntry: one event of a job, as a person reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """What happened, when and why. `version` counts the job's events from 1; `details` are plain JSON values."""

    version: int
    timestamp: datetime
    event: str
    reason: str
    details: dict[str, Any] = field(default_factory=dict)
