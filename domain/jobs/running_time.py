"""RunningTime: how long a job has been running, its pauses left out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(slots=True)
class RunningTime:
    """Stretches of running, added up. A clock that was set back adds nothing."""

    _seconds: float = 0.0
    _since: datetime | None = None

    def begin(self, moment: datetime) -> None:
        """A stretch begins; one that is under way goes on."""
        self._since = self._since or moment

    def end(self, moment: datetime) -> None:
        """The stretch under way, if any, is over."""
        self._seconds = self.seconds(moment)
        self._since = None

    def seconds(self, moment: datetime) -> float:
        """All stretches up to the moment, the one under way included."""
        return self._seconds + (max(0.0, (moment - self._since).total_seconds()) if self._since else 0.0)
