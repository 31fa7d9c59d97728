"""HttpTransport: a broker's HTTP connections, and the one place where permits meet the wire."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import NoReturn

import aiohttp

from adapters.brokers.credentials import Credentials
from adapters.brokers.http.attempts import UsageReader, WireAttempts
from adapters.brokers.http.times import broker_time_ms
from domain.brokers.conditions import Throttled, error_of
from domain.brokers.wire import Judge, WireRequest, WireResponse, judged
from domain.errors import BrokerThrottled, BrokerUnavailable, CredentialsRefused, MalformedResponse, SettingsError
from domain.limits.ports import PermitSource

_CHUNK_BYTES = 64 * 1024


class HttpTransport:
    """One process's connections to one broker; implements `domain.brokers.wire.Transport`.

    aiohttp itself sends a GET again when a kept-alive connection turns out to be closed; such an
    attempt takes a permit of its own. Redirects are never followed.
    """

    def __init__(
        self,
        broker: str,
        base_url: str,
        timeout_seconds: float = 10.0,
        read_usage: UsageReader = lambda _: (),
        clock: Callable[[], float] = time.time,
        credentials: Credentials | None = None,
        auth_headers: Mapping[str, str] | None = None,
    ) -> None:
        """`auth_headers` go with every request, their {names} filled in from the credentials as it is made."""
        self.broker = broker
        self.base_url = base_url.rstrip("/")
        self.timeout_seconds = timeout_seconds
        self.read_usage = read_usage
        self.clock = clock
        self.credentials = credentials or Credentials(broker, {})
        self._auth_headers = auth_headers or {}
        self._session: aiohttp.ClientSession | None = None

    def wire(self, permits: PermitSource) -> HttpWire:
        """A wire whose requests take these permits."""
        return HttpWire(self, permits)

    async def close(self) -> None:
        """Close the connections; the next request opens others."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def signed(self, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers with those that authenticate us. Raises CredentialsRefused."""
        return {**headers, **self.credentials.filled_in(self._auth_headers)}

    def session(self) -> aiohttp.ClientSession:
        """The open session."""
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


class HttpWire:
    """A transport's connections with one source of permits; implements `domain.brokers.wire.Wire`."""

    def __init__(self, transport: HttpTransport, permits: PermitSource) -> None:
        self._transport, self._permits = transport, permits

    async def fetch(self, request: WireRequest, judge: Judge, symbols: str) -> WireResponse:
        """Get an answer; see the port.

        SettingsError when the base URL is not one. When the credentials are refused, secrets that have changed
        meanwhile are tried once.
        """
        try:
            return await self._fetch(request, judge, symbols)
        except CredentialsRefused:
            if not self._transport.credentials.have_changed():
                raise
        return await self._fetch(request, judge, symbols)

    async def _fetch(self, request: WireRequest, judge: Judge, symbols: str) -> WireResponse:
        transport = self._transport
        broker, base_url = transport.broker, transport.base_url
        attempts = WireAttempts(
            broker,
            symbols,
            self._permits,
            request.charge,
            transport.timeout_seconds,
            transport.clock,
            transport.read_usage,
        )
        try:
            async with transport.session().get(
                base_url + request.path,
                params=request.params,
                headers=transport.signed(request.headers),
                allow_redirects=False,
                middlewares=(attempts,),
                trace_request_ctx=attempts,
            ) as received:
                body = await attempts.in_time(_read(received, request.most_body_bytes))
        except aiohttp.InvalidURL as error:
            raise SettingsError(f"{base_url!r} is not the base URL of a broker") from error
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
            raise BrokerUnavailable(broker, symbols, _describe(error)) from error
        except (aiohttp.ClientError, _BodyTooLarge) as error:
            raise MalformedResponse(broker, symbols, f"not HTTP as promised: {_describe(error)}") from error
        asked_at_ms = broker_time_ms(received.headers, attempts.call_seconds, attempts.written_at_ms)
        response = WireResponse(received.status, received.headers, body, asked_at_ms, attempts.requests)
        condition = judged(judge, response)
        if isinstance(condition, Throttled):
            await self._cool_down(condition, symbols)
        if condition is not None:
            raise error_of(condition, broker, symbols)
        return response

    async def _cool_down(self, condition: Throttled, symbols: str) -> NoReturn:
        broker, seconds = self._transport.broker, condition.retry_after_seconds
        await self._permits.cool_down(seconds, f"{broker}: {condition.message}")
        raise BrokerThrottled(broker, symbols, condition.message, seconds or 0.0)


class _BodyTooLarge(Exception):
    """The answer is longer than its bound."""


async def _read(received: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    """Read the body; its size is checked while it is read and decompressed."""
    chunks, size_bytes = [], 0
    async for chunk in received.content.iter_chunked(_CHUNK_BYTES):
        size_bytes += len(chunk)
        if size_bytes > most_bytes:
            received.close()
            raise _BodyTooLarge(f"its body is longer than {most_bytes:,} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


async def _before_write(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _params: aiohttp.TraceRequestHeadersSentParams
) -> None:
    """aiohttp calls this, despite its name, before the first byte is written; raising here writes nothing."""
    attempts: WireAttempts = context.trace_request_ctx
    attempts.about_to_write()


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
