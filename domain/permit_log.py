"""PermitLog: the port behind which every permit is kept for an audit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from domain.grants import Outcome
from domain.permits import LentPermit
from domain.ports import RecordedPermits
from domain.rates import RateLimit


class PermitLog(Protocol):
    """The lasting account of permits, from which `domain.audit` proves a run; the permit record knows who may write.

    No method raises for what cannot be written: collecting does not depend on it. Moments are readings of
    the monotonic clock.
    """

    def open(self, known: RecordedPermits, now: float) -> None:
        """Go on with the log, and agree with the permit record about what was lent when the last writer ended."""

    def hold_to(self, limits: Sequence[RateLimit], now: float) -> None:
        """Note the limits that hold from now on."""

    def lent(self, job_id: str, permits: Sequence[LentPermit]) -> None:
        """Note permits, one at least, before the permit record does and before they are handed out."""

    def over(self, permit: LentPermit, outcome: Outcome, now: float) -> None:
        """Note that a permit's request is over, answered or given up, before the permit record does."""

    def void(self, permit_id: str, now: float) -> None:
        """Note that a permit was never used."""

    def close(self) -> None:
        """Let go of the log."""
