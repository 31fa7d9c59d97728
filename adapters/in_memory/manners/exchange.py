"""MannerExchange: what the exchanges of all manners have in common."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, TypeAlias

from adapters.in_memory.broker import InMemoryWire
from domain.brokers.wire import WireRequest, WireResponse
from domain.candles.candles import Candles
from domain.limits.ports import PermitSource

Reply: TypeAlias = tuple[int, Any]
"""A status and a body: bytes as they are, anything else as JSON."""

NEVER = 0
"""The status of a symbol that never gets an answer."""

LISTING = "/listing/"
"""The path below which each symbol's first opening is served."""


class MannerExchange(ABC):
    """Serves `market` by its own rules, as of `now_ms`; implements `domain.brokers.wire.Transport`.

    Every request for a symbol of `troubles` gets that status, and one for an unknown symbol 404. `requests` counts what
    arrived.
    """

    name = "memory"

    def __init__(self, market: Mapping[str, Candles], now_ms: int, troubles: Mapping[str, int] | None = None) -> None:
        self.market = dict(market)
        self.now_ms = now_ms
        self.troubles = dict(troubles or {})
        self.requests = 0
        self.in_flight = 0
        self.closed = False

    def wire(self, permits: PermitSource) -> InMemoryWire:
        """A wire to this exchange."""
        return InMemoryWire(self, permits, self.name)

    async def close(self) -> None:
        """Nothing is open; `closed` remembers the call."""
        self.closed = True

    async def respond(self, request: WireRequest) -> WireResponse:
        """Answer, or never."""
        self.requests += 1
        status, body = self._reply(request)
        if status == NEVER:
            await asyncio.Event().wait()
        headers = {"Retry-After": "1"} if status == 429 else {}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return WireResponse(status, headers, content, self.now_ms)

    def _reply(self, request: WireRequest) -> Reply:
        if request.path.startswith(LISTING):
            symbol = request.path.removeprefix(LISTING)
            first = self.market[symbol].open_time_ms[:1].tolist() if symbol in self.market else []
            return 200, {"first_ms": first[0] if first else None}
        symbols = self.symbols_of(request)
        for symbol in symbols:
            if symbol in self.troubles:
                return self.troubles[symbol], {}
        unknown = [symbol for symbol in symbols if symbol not in self.market]
        return (404, {"unknown": unknown}) if unknown else self.serve(request)

    @abstractmethod
    def symbols_of(self, request: WireRequest) -> list[str]:
        """The symbols that a request names."""

    @abstractmethod
    def serve(self, request: WireRequest) -> Reply:
        """The answer to a request for known symbols."""


def rows_of(candles: Candles) -> list[list[float]]:
    """Candles as a list of rows: opening, four prices and volume."""
    columns = (candles.open_time_ms, candles.open, candles.high, candles.low, candles.close, candles.volume)
    return [list(row) for row in zip(*(column.tolist() for column in columns), strict=True)]
