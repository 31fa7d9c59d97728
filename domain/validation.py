"""Validation: which candles are accepted, which are quarantined, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QuarantinedCandle:
    """A refused bar as the broker sent it, and the reason."""

    open_time_ms: int
    reason: str
    columns: tuple[tuple[str, float | int], ...]
