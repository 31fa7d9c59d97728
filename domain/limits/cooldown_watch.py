"""CooldownWatch: which of a limiter's cooldowns a job has still to record."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import uuid4

from domain.limits.messages import LimiterStatus


@dataclass(frozen=True, slots=True)
class Cooldown:
    """The broker refused the whole account for so long. `cooldown_id` tells one cooldown from another."""

    seconds: float
    reason: str
    cooldown_id: str = field(default_factory=lambda: uuid4().hex)


class CooldownWatch:
    """Finds each of a limiter's cooldowns once, from looks at its status now and then.

    A cooldown that is under way at the first look is found; one that had ended before is not.
    """

    def __init__(self) -> None:
        self._seen: int | None = None

    def look(self, status: LimiterStatus) -> Cooldown | None:
        """The cooldown that is new since the last look; the latest, if there were several."""
        seen, self._seen = self._seen, status.cooldowns
        is_other_limiter = seen is None or status.cooldowns < seen
        is_new = status.cooldowns > 0 and status.cooldown_seconds > 0 if is_other_limiter else status.cooldowns != seen
        return Cooldown(round(status.cooldown_length_seconds, 3), status.cooldown_reason) if is_new else None
