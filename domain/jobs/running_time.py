"""RunningTime: how long a job has been running, without its pauses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(slots=True)
class RunningTime:
    """The sum of a job's running periods. A clock that was set back adds nothing."""

    _seconds: float = 0.0
    _since: datetime | None = None

    def begin(self, moment: datetime) -> None:
        """Begin a period; one that is open goes on."""
        self._since = self._since or moment

    def end(self, moment: datetime) -> None:
        """End the open period, if any."""
        self._seconds = self.seconds(moment)
        self._since = None

    def seconds(self, moment: datetime) -> float:
        """All periods up to the moment, including the open one."""
        return self._seconds + (max(0.0, (moment - self._since).total_seconds()) if self._since else 0.0)
