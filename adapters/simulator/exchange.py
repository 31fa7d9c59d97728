"""SimulatedExchange: a web server on loopback that speaks Binance's spot dialect and enforces its limits."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from email.utils import formatdate
from types import TracebackType
from weakref import WeakSet

from aiohttp import web

from adapters.simulator.arrivals import Arrival, ArrivalLog
from adapters.simulator.dialects.binance import WEIGHTS, WrongQuery, error_answer, exchange_info, read_klines_query
from adapters.simulator.faults import Fault, FaultKind, FaultScript, Latency
from adapters.simulator.market import Market, UnknownInterval, UnknownSymbol
from adapters.simulator.mishaps import answer_with
from domain.limits.rates import RateLimit

DEFAULT_LIMITS = ("15/1s",)
_STOP_SECONDS = 0.1


class SimulatedExchange:
    """`async with SimulatedExchange() as exchange:` serves at `exchange.base_url` until the block ends.

    Every request under /api is delayed by the uplink, then arrives: it is logged and counted against the limits in that
    very step. One that is too many gets 429 with Retry-After. /simulator/report, /simulator/arrivals and
    /simulator/symbols show the log, and are neither delayed nor counted. A client that gives up does not stop its
    request from arriving, as on a real network.
    """

    def __init__(
        self,
        limits: Sequence[str] = DEFAULT_LIMITS,
        latency: Latency | None = None,
        faults: Iterable[Fault] = (),
        unknown_symbols: Collection[str] = (),
        clock: Callable[[], float] = time.time,
        seed: int = 0,
        port: int = 0,
        days_of: str | None = None,
    ) -> None:
        self.arrivals = ArrivalLog([RateLimit.parse(limit) for limit in limits])
        self.market = Market(unknown_symbols, days_of)
        self.base_url = ""
        self._latency = latency or Latency()
        self._faults = FaultScript(faults, seed)
        self._clock = clock
        self._random = random.Random(seed)
        self._port = port
        self._used_transports: WeakSet[asyncio.BaseTransport] = WeakSet()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> SimulatedExchange:
        app = web.Application(middlewares=[self._arrive])
        app.router.add_get("/api/v3/klines", self._klines)
        app.router.add_get("/api/v3/exchangeInfo", self._exchange_info)
        app.router.add_get("/api/v3/time", self._time)
        app.router.add_get("/api/v3/ping", self._ping)
        app.router.add_get("/simulator/report", self._report)
        app.router.add_get("/simulator/arrivals", self._arrivals)
        app.router.add_get("/simulator/symbols", self._symbols)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_SECONDS)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.base_url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _arrive(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if not request.path.startswith("/api/"):
            return await handler(request)
        lag_seconds = await _travel(self._latency.uplink_seconds(self._random))
        symbol = request.query.get("symbol", "")
        mishap = self._faults.next_for(symbol, self._is_kept_alive(request))
        if mishap is not None and mishap.kind is FaultKind.LOST:
            self.arrivals.lost += 1
            return await answer_with(mishap, request, web.Response())
        arrival, wait_seconds = self.arrivals.arrive(
            request.path,
            symbol,
            WEIGHTS.get(request.path, 1),
            _client_of(request),
            request.query.get("startTime", ""),
            lag_seconds,
        )
        response = await self._answer(request, handler, wait_seconds)
        return await self._send(request, response, arrival, mishap)

    async def _answer(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
        wait_seconds: float | None,
    ) -> web.Response:
        if wait_seconds is not None:
            retry_after = "3600" if math.isinf(wait_seconds) else str(max(1, math.ceil(wait_seconds)))
            response = error_answer(429, -1003, "Too much request weight used.", {"Retry-After": retry_after})
        else:
            response = await self._handle(request, handler)
        response.headers["X-MBX-USED-WEIGHT-1M"] = str(self.arrivals.used_weight)
        return response

    async def _handle(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.Response:
        try:
            response = await handler(request)
        except WrongQuery as error:
            return error_answer(400, error.code, error.message)
        except UnknownSymbol:
            return error_answer(400, -1121, "Invalid symbol.")
        except UnknownInterval:
            return error_answer(400, -1120, "Invalid interval.")
        except web.HTTPException as error:
            return error_answer(error.status, -1000, error.reason)
        assert isinstance(response, web.Response)
        return response

    async def _send(
        self, request: web.Request, response: web.Response, arrival: Arrival, mishap: Fault | None
    ) -> web.StreamResponse:
        await asyncio.sleep(self._latency.downlink_seconds(self._random))
        response.headers["Date"] = formatdate(self._clock(), usegmt=True)
        if mishap is None or response.status == 429:
            arrival.status = response.status
            return response
        arrival.fault = mishap.kind.value
        answer = await answer_with(mishap, request, response)
        arrival.status = answer.status
        return answer

    def _is_kept_alive(self, request: web.Request) -> bool:
        transport = request.transport
        if transport is None:
            return False
        was_used = transport in self._used_transports
        self._used_transports.add(transport)
        return was_used

    async def _klines(self, request: web.Request) -> web.Response:
        rows = self.market.klines(read_klines_query(request.query), int(self._clock() * 1000))
        return web.Response(text=f"[{','.join(rows)}]", content_type="application/json")

    async def _exchange_info(self, _request: web.Request) -> web.Response:
        now_ms = int(self._clock() * 1000)
        return web.json_response(exchange_info(now_ms, self.arrivals.limits, self.market.recorded_symbols))

    async def _time(self, _request: web.Request) -> web.Response:
        return web.json_response({"serverTime": int(self._clock() * 1000)})

    async def _ping(self, _request: web.Request) -> web.Response:
        return web.json_response({})

    async def _report(self, _request: web.Request) -> web.Response:
        return web.json_response(self.arrivals.report())

    async def _arrivals(self, _request: web.Request) -> web.Response:
        return web.json_response(self.arrivals.as_json())

    async def _symbols(self, _request: web.Request) -> web.Response:
        """The origin of the candles of the recorded symbols, and of every symbol that was served."""
        served = {arrival.symbol for arrival in self.arrivals.arrivals if arrival.symbol and arrival.status == 200}
        names = sorted({*self.market.recorded_symbols, *served})
        return web.json_response({name: self.market.origin(name) for name in names})


async def _travel(seconds: float) -> float:
    """Sleep for the time on the way; returns how much longer it took because the processor was busy."""
    began_at = time.monotonic()
    await asyncio.sleep(seconds)
    return time.monotonic() - began_at - seconds


def _client_of(request: web.Request) -> str:
    peer = request.transport.get_extra_info("peername") if request.transport else None
    return f"{peer[0]}:{peer[1]}" if peer else "gone"
