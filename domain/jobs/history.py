"""HistoryEntry: one event of a job, with who gave the command."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """What happened, when, why, and who gave the command, like "alice@host: candles pause"; "" for nobody.

    `version` counts the job's events from 1; `details` are plain JSON values.
    """

    version: int
    timestamp: datetime
    event: str
    reason: str
    details: dict[str, Any] = field(default_factory=dict)
    by: str = ""
