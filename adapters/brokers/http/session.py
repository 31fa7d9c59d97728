"""HttpSession: what every gateway does over HTTP, and the one place where permits meet the wire."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NoReturn

import aiohttp

from adapters.brokers.http.attempts import UsageReader, WireAttempts
from adapters.brokers.http.times import broker_time_ms, retry_after_seconds
from domain.errors import (
    BrokerThrottled,
    BrokerUnavailable,
    CredentialsRefused,
    MalformedResponse,
    SettingsError,
)
from domain.limits.ports import PermitSource

_THROTTLED = (418, 429)
_CREDENTIALS = (401, 403)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A complete answer: a 2xx, or a 4xx that the gateway has to judge, with its JSON.

    `asked_at_ms`: by the broker's clock, the request was written at this moment or later.
    """

    status: int
    payload: Any
    asked_at_ms: int
    requests: int


class HttpSession:
    """GETs JSON from one broker, with one permit per attempt on the wire; opens lazily, never retries.

    aiohttp itself sends a GET again when a kept-alive connection turns out to be closed; such an
    attempt takes a permit of its own. Redirects are never followed.
    """

    def __init__(
        self,
        broker: str,
        base_url: str,
        timeout_seconds: float,
        clock: Callable[[], float] = time.time,
        read_usage: UsageReader = lambda _: (),
    ) -> None:
        self._broker = broker
        self._base_url = base_url.rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._read_usage = read_usage
        self._session: aiohttp.ClientSession | None = None

    async def get_json(
        self,
        path: str,
        params: Mapping[str, str | int],
        permits: PermitSource,
        tokens: int,
        symbol: str,
        pool: str = "",
    ) -> HttpAnswer:
        """Wait for a permit however long that takes, then get the answer within the timeout.

        Raises BrokerUnavailable, BrokerThrottled (the account is cooling down by then), CredentialsRefused,
        MalformedResponse, or SettingsError when the base URL is none; whatever the permits raise passes.
        """
        wire = WireAttempts(
            self._broker, symbol, permits, tokens, self._timeout_seconds, self._clock, self._read_usage, pool
        )
        try:
            async with self._open().get(
                self._base_url + path,
                params=params,
                allow_redirects=False,
                middlewares=(wire,),
                trace_request_ctx=wire,
            ) as response:
                await self._judge_status(response, permits, symbol)
                body = await wire.in_time(response.read())
        except aiohttp.InvalidURL as error:
            raise SettingsError(f"{self._base_url!r} is not the base URL of a broker") from error
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
            raise BrokerUnavailable(self._broker, symbol, _describe(error)) from error
        except aiohttp.ClientError as error:
            raise MalformedResponse(self._broker, symbol, f"not HTTP as promised: {_describe(error)}") from error
        asked_at_ms = broker_time_ms(response.headers, wire.call_seconds, wire.written_at_ms)
        return HttpAnswer(response.status, self._parse(body, response.status, symbol), asked_at_ms, wire.requests)

    async def close(self) -> None:
        """Close the connections; the next request opens others."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            trace = aiohttp.TraceConfig()
            trace.on_request_headers_sent.append(_before_write)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "candle-collector", "Accept": "application/json"},
                timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),
                trace_configs=[trace],
            )
        return self._session

    async def _judge_status(self, response: aiohttp.ClientResponse, permits: PermitSource, symbol: str) -> None:
        status = response.status
        if status in _THROTTLED:
            await self._throttled(response, permits, symbol)
        if status in _CREDENTIALS:
            raise CredentialsRefused(self._broker, symbol, f"HTTP {status}: access refused")
        if 300 <= status < 400:
            target = response.headers.get("Location", "nowhere")
            raise MalformedResponse(
                self._broker, symbol, f"HTTP {status}: redirects to {target}, which is not followed"
            )
        if status >= 500:
            raise BrokerUnavailable(self._broker, symbol, f"HTTP {status} {response.reason or ''}".rstrip())

    async def _throttled(self, response: aiohttp.ClientResponse, permits: PermitSource, symbol: str) -> NoReturn:
        wait_seconds = retry_after_seconds(response.headers, self._clock())
        message = f"HTTP {response.status}: too many requests"
        await permits.cool_down(wait_seconds, f"{self._broker}: {message}")
        raise BrokerThrottled(self._broker, symbol, message, wait_seconds or 0.0)

    def _parse(self, body: bytes, status: int, symbol: str) -> Any:
        try:
            return json.loads(body, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise MalformedResponse(
                self._broker, symbol, f"HTTP {status}: {len(body)} bytes that are not JSON: {error}"
            ) from error


async def _before_write(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _params: aiohttp.TraceRequestHeadersSentParams
) -> None:
    """aiohttp calls this, despite its name, before the first byte is written; raising here writes nothing."""
    wire: WireAttempts = context.trace_request_ctx
    wire.about_to_write()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
