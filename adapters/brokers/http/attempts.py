"""WireAttempts: one permit for each time a call is put on the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TypeAlias, TypeVar

from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

from domain.brokers.wire import Charge
from domain.errors import BrokerUnavailable, PermitExpired
from domain.limits.ports import Permit, PermitSource
from domain.limits.usage import BrokerUsage

Result = TypeVar("Result")

UsageReader: TypeAlias = Callable[[Mapping[str, str]], Iterable[BrokerUsage]]
"""Reads the broker's own counts from its headers."""

_MOST_EXPIRED_PERMITS = 3


class WireAttempts:
    """The client middleware of one call: aiohttp runs it for every attempt, its own silent ones included.

    An attempt waits for a permit before it takes a connection, so a waiting attempt keeps no connection. Its timeout
    starts with the permit. A permit that expired while the connection was made is released with not a byte written, and
    the attempt starts over with another.
    """

    def __init__(
        self,
        broker: str,
        symbol: str,
        permits: PermitSource,
        charge: Charge,
        timeout_seconds: float,
        clock: Callable[[], float],
        read_usage: UsageReader,
    ) -> None:
        self.requests = 0
        self.written_at_ms = 0
        self.call_seconds = 0.0
        self._broker, self._symbol = broker, symbol
        self._permits, self._charge = permits, charge
        self._read_usage = read_usage
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._permit: Permit | None = None
        self._deadline = 0.0
        self._written_at = 0.0

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        for _ in range(_MOST_EXPIRED_PERMITS):
            try:
                return await self._attempt(request, handler)
            except PermitExpired as error:
                expired = error
        raise BrokerUnavailable(self._broker, self._symbol, "connecting outlasts every permit") from expired

    def about_to_write(self) -> None:
        """Use the permit: the next thing that happens is the first byte. Raises PermitExpired."""
        assert self._permit is not None
        self._permit.sent()
        self.requests += 1
        self.written_at_ms = int(self._clock() * 1000)
        self._written_at = asyncio.get_running_loop().time()

    async def in_time(self, awaitable: Awaitable[Result]) -> Result:
        """Wait for a part of the answer, up to the attempt's deadline; then BrokerUnavailable."""
        try:
            async with asyncio.timeout_at(self._deadline):
                return await awaitable
        except TimeoutError as error:
            raise BrokerUnavailable(
                self._broker, self._symbol, f"no complete answer within {self._timeout_seconds:g} s"
            ) from error

    async def _attempt(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        loop = asyncio.get_running_loop()
        async with self._permits.acquire(self._charge.tokens, self._charge.pool) as permit:
            self._permit = permit
            self._deadline = loop.time() + self._timeout_seconds
            response = await self.in_time(handler(request))
            permit.answered(tuple(self._read_usage(response.headers)))
            self.call_seconds = loop.time() - self._written_at
            return response
