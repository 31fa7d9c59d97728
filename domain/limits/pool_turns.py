"""PoolTurns: who goes first where the requests of several pools count in one window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from domain.limits.ledger import PermitLedger
from domain.limits.messages import PermitRequest

_LOOK_AGAIN_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class _Head:
    """The next to be served in a pool, and since when it has waited."""

    request: PermitRequest
    permits: int
    asked_at: float


class PoolTurns:
    """Holds back a request that would take from a window for which an older one of another pool waits.

    Each pool is served by itself, so a pool held up by its own limit holds up no other. Without
    turns a heavy request would starve beside a trickle of light ones in another pool.
    """

    def __init__(self, ledger: Callable[[], PermitLedger], clock: Callable[[], float]) -> None:
        self._ledger = ledger
        self._clock = clock
        self._heads: dict[str, _Head] = {}

    def wait_seconds(self, request: PermitRequest, permits: int, asked_at: float) -> float:
        """How long until the head of its pool may be granted so many permits; 0 means now."""
        ledger, now = self._ledger(), self._clock()
        self._heads[request.pool] = _Head(request, permits, asked_at)
        own_seconds = ledger.wait_seconds(request.tokens, now, request.pool, permits)
        if own_seconds > 0 or len(self._heads) == 1:
            return own_seconds
        return max(
            [0.0, *(self._behind(head, request.pool) for head in self._heads.values() if head.asked_at < asked_at)]
        )

    def leave(self, pool: str) -> None:
        """The head of the pool was served, or nobody waits there any more."""
        self._heads.pop(pool, None)

    def _behind(self, older: _Head, pool: str) -> float:
        ledger, now = self._ledger(), self._clock()
        asked = older.request
        if asked.pool == pool or not ledger.is_contended(asked.tokens, now, asked.pool, older.permits, pool):
            return 0.0
        return max(_LOOK_AGAIN_SECONDS, ledger.wait_seconds(asked.tokens, now, asked.pool, older.permits))
