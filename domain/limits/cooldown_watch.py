"""SealWatch: which of a limiter's seals a job has still to record."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import uuid4

from domain.limits.messages import LimiterStatus


@dataclass(frozen=True, slots=True)
class Seal:
    """The broker refused the whole account for so long. `seal_id` tells one seal from another."""

    seconds: float
    reason: str
    seal_id: str = field(default_factory=lambda: uuid4().hex)


class SealWatch:
    """Looks at a limiter's status now and then, and finds each of its seals once.

    One that holds at the first look is found, one that had ended before is not.
    """

    def __init__(self) -> None:
        self._seen: int | None = None

    def look(self, status: LimiterStatus) -> Seal | None:
        """The seal that is new since the last look; the latest, if there were several."""
        seen, self._seen = self._seen, status.seals
        began_anew = seen is None or status.seals < seen
        is_new = status.seals > 0 and status.sealed_seconds > 0 if began_anew else status.seals != seen
        return Seal(round(status.seal_seconds, 3), status.sealed_reason) if is_new else None
