"""The effects of scripted faults on answers."""

from __future__ import annotations

import asyncio
import json

from aiohttp import web

from adapters.simulator.dialects.binance import error_answer
from adapters.simulator.faults import Fault, FaultKind

_FOREVER_SECONDS = 86_400.0
_RETRY_AFTER = {"Retry-After": "1"}


async def answer_with(mishap: Fault, request: web.Request, response: web.Response) -> web.StreamResponse:
    """Answer, or fail to, as the fault says; `response` is the answer without the fault."""
    match mishap.kind:
        case FaultKind.LOST | FaultKind.DROPPED | FaultKind.DROPPED_WHEN_KEPT_ALIVE:
            return _drop(request)
        case FaultKind.CLOSED_AFTERWARDS:
            return await _close_afterwards(request, response)
        case FaultKind.CUT_BODY:
            await _send_half(request, response)
            return _drop(request)
        case FaultKind.HUNG_BODY:
            await _send_half(request, response)
            await asyncio.sleep(_FOREVER_SECONDS)
        case FaultKind.HUNG:
            await asyncio.sleep(_FOREVER_SECONDS)
        case FaultKind.TRUNCATED_JSON:
            body = _body(response)
            return web.Response(body=body[: len(body) // 2], headers=_date(response), content_type="application/json")
        case FaultKind.FIRST_BARS | FaultKind.LAST_BARS | FaultKind.LATE_BARS:
            response.body = _without_bars(mishap, _body(response))
            return response
        case _:
            pass
    answer = _PLAIN.get(mishap.kind, lambda: response)()
    answer.headers.update(_date(response))
    return answer


_PLAIN = {
    FaultKind.SERVER_ERROR: lambda: web.Response(status=503, text="<html>Service Unavailable</html>"),
    FaultKind.OTHER_SHAPE: lambda: web.json_response({"serverTime": 0}),
    FaultKind.THROTTLED: lambda: error_answer(429, -1003, "Too much request weight used.", _RETRY_AFTER),
    FaultKind.BANNED: lambda: error_answer(418, -1003, "Way too much request weight used; IP banned.", _RETRY_AFTER),
    FaultKind.REFUSED: lambda: error_answer(403, -2015, "Invalid API-key, IP, or permissions for action."),
    FaultKind.REDIRECTED: lambda: web.Response(status=302, headers={"Location": "/elsewhere"}),
    FaultKind.UNKNOWN_SYMBOL: lambda: error_answer(400, -1121, "Invalid symbol."),
}


def _without_bars(mishap: Fault, body: bytes) -> bytes:
    klines = json.loads(body)
    if not isinstance(klines, list):
        return body
    kept = {
        FaultKind.FIRST_BARS: klines[: mishap.bars],
        FaultKind.LAST_BARS: klines[max(0, len(klines) - mishap.bars) :],
        FaultKind.LATE_BARS: klines[: max(0, len(klines) - mishap.bars)],
    }
    return json.dumps(kept[mishap.kind], separators=(",", ":")).encode()


def _body(response: web.Response) -> bytes:
    assert isinstance(response.body, bytes)
    return response.body


def _date(response: web.Response) -> dict[str, str]:
    return {"Date": response.headers["Date"]}


def _drop(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=499)


async def _send_half(request: web.Request, response: web.Response) -> None:
    body = _body(response)
    half = web.StreamResponse(headers={**_date(response), "Content-Length": str(len(body))})
    await half.prepare(request)
    await half.write(body[: len(body) // 2])


async def _close_afterwards(request: web.Request, response: web.Response) -> web.StreamResponse:
    await response.prepare(request)
    await response.write_eof()
    if request.transport is not None:
        request.transport.close()
    return response
