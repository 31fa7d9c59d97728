"""PermitHistory: what a permit record knows, as it is read from entries and written as them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from adapters.permit_store.frames import agreed_limits, agreement_entry, permit_entries
from domain.limits.ledger import GrantedPermit
from domain.limits.ports import RecordedPermits
from domain.limits.rates import ANY_POOL, AccountLimits

KEPT_SECONDS = 600.0
"""Permits are kept this long after their end, so that a run with longer windows knows them too."""
KEPT_PERMITS = 20_000
"""More than this are kept only while they count: a successor has to read them all before it grants."""


class PermitHistory:
    """One account's permits, cooldown and agreement; agreements of other sessions are ignored."""

    def __init__(self, limits: AccountLimits, session: str) -> None:
        self.complete_since = float("-inf")
        self.note = ""
        self._limits, self._session = limits, session
        self._agreed: AccountLimits | None = None
        self._outstanding: dict[str, GrantedPermit] = {}
        self._completed: deque[GrantedPermit] = deque()
        self.cooldown_until = float("-inf")

    def __len__(self) -> int:
        return len(self._completed) + len(self._outstanding)

    def recorded(self) -> RecordedPermits:
        """The same as a value of the port."""
        permits = (*self._completed, *self._outstanding.values())
        return RecordedPermits(permits, self.cooldown_until, self.complete_since, self._agreed, self.note)

    def grant(self, permit: GrantedPermit) -> None:
        """Add a permit."""
        self._outstanding[permit.permit_id] = permit

    def end(self, permit: GrantedPermit) -> None:
        """A permit's request is complete."""
        self._outstanding.pop(permit.permit_id, None)
        self._completed.append(permit)

    def release(self, permit_id: str) -> bool:
        """Forget a permit; False if it is not granted."""
        return self._outstanding.pop(permit_id, None) is not None

    def cool_down(self, until: float) -> None:
        """Remember the latest cooldown."""
        self.cooldown_until = max(self.cooldown_until, until)

    def end_cooldown(self, at: float) -> None:
        """The cooldown was ended then; one that follows counts."""
        self.cooldown_until = min(self.cooldown_until, at)

    def agree(self, limits: AccountLimits) -> None:
        """These limits are in force in the session from now on."""
        self._agreed = limits

    def replay(self, entry: list[Any]) -> None:
        """Apply an entry."""
        match entry:
            case ["lent", permit_ids, tokens, granted_at, completed_at, *pool]:
                for permit_id in permit_ids if isinstance(permit_ids, list) else [permit_ids]:
                    self.grant(
                        GrantedPermit(permit_id, tokens, granted_at, completed_at, pool=pool[0] if pool else ANY_POOL)
                    )
            case ["over", permit_id, completed_at] if permit_id in self._outstanding:
                self.end(self._outstanding[permit_id].ended(completed_at))
            case ["void", permit_id]:
                self.release(permit_id)
            case ["seal", until]:
                self.cool_down(until)
            case ["cooldown_ended", at]:
                self.end_cooldown(at)
            case ["agreed", session, *agreement] if session == self._session:
                self.agree(agreed_limits(self._limits.broker, self._limits.account, *agreement))

    def entries(self, now: float) -> Iterator[list[Any]]:
        """The fewest entries from which `replay` makes the same history."""
        for permit in (*self._completed, *self._outstanding.values()):
            yield from permit_entries(permit)
        if self.cooldown_until > now:
            yield ["seal", self.cooldown_until]
        if self._agreed:
            yield agreement_entry(self._session, self._agreed)

    def drop_old(self, now: float) -> None:
        """Forget permits that completed long ago, and those whose bound has passed as long ago."""
        longest = max(limit.window_seconds for limit in (self._agreed or self._limits).limits)
        counted_since = now - 2 * longest
        moment = min(now - KEPT_SECONDS, counted_since)
        dropped = [permit for permit in self._outstanding.values() if permit.completed_at < moment]
        for permit in dropped:
            del self._outstanding[permit.permit_id]
        while self._completed and self._completed[0].completed_at < moment:
            dropped.append(self._completed.popleft())
        while len(self._completed) > KEPT_PERMITS and self._completed[0].completed_at < counted_since:
            dropped.append(self._completed.popleft())
        self.complete_since = max([self.complete_since, *(permit.completed_at for permit in dropped)])
