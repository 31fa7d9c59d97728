"""LimiterSearch: finds an account's limiter in whatever cluster it runs."""

from __future__ import annotations

from collections.abc import Callable

from actors.cluster.session import RaySession, find_limiter
from domain.limits.operator_pause import RunningLimiter


class LimiterSearch:
    """Joins the cluster where the account's limiter was last published, and looks there."""

    def __init__(self, broker: str, account: str, address: Callable[[], str | None]) -> None:
        self._broker, self._account = broker, account
        self._address = address
        self._session = RaySession()

    def __call__(self) -> RunningLimiter | None:
        """The limiter; None when none runs."""
        address = self._address()
        if address is None:
            return None
        self._session.connect(address)
        actor = find_limiter(self._broker, self._account)
        if actor is None:
            return None
        from actors.cluster.handles import LimiterHandle

        return LimiterHandle(actor)

    def close(self) -> None:
        """Leave the cluster."""
        self._session.close()
