"""CooldownStreak: for how long to send nothing after a broker refused."""

from __future__ import annotations


class CooldownStreak:
    """How long each cooldown lasts: as long as the broker says, or twice as long with each refusal in a row.

    A refusal during a cooldown comes from a request that left before it: it doubles nothing. One that comes
    soon after a cooldown, within its length or within `memory_seconds`, is in a row with it.
    """

    def __init__(self, base_seconds: float, memory_seconds: float) -> None:
        self._base_seconds, self._memory_seconds = base_seconds, memory_seconds
        self._length = 0
        self._remembered_until = float("-inf")

    def cooldown_seconds(self, retry_after_seconds: float | None, now: float, cooling_until: float) -> float:
        """How long from now; `cooling_until` is the end of the cooldown that is under way."""
        if cooling_until <= now:
            self._length = self._length + 1 if now <= self._remembered_until else 1
        self._length = max(self._length, 1)
        seconds = self._base_seconds * 2.0 ** (self._length - 1) if retry_after_seconds is None else retry_after_seconds
        ends_at = max(now + seconds, cooling_until)
        self._remembered_until = ends_at + max(ends_at - now, self._memory_seconds)
        return seconds
