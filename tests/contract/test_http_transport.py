"""HttpTransport against a real server: credentials, and how much is read."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web

from adapters.brokers.credentials import Credentials
from adapters.brokers.http.transport import HttpTransport
from adapters.brokers.http.verdicts import http_condition, parse_json
from adapters.in_memory import InMemoryRateLimiter
from domain.brokers.conditions import Condition, Unusable
from domain.brokers.credentials import CredentialReference
from domain.brokers.wire import WireRequest, WireResponse
from domain.errors import BrokerUnavailable, CredentialsRefused, MalformedResponse

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
AUTH = {"Authorization": "Bearer {token}"}


@asynccontextmanager
async def served(handler: Handler, token: Path | None = None) -> AsyncIterator[HttpTransport]:
    app = web.Application()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    references = {"token": CredentialReference("file", str(token))} if token else {}
    transport = HttpTransport(
        "toy",
        f"http://127.0.0.1:{runner.addresses[0][1]}",
        credentials=Credentials("toy", references),
        auth_headers=AUTH if token else {},
    )
    try:
        yield transport
    finally:
        await transport.close()
        await runner.cleanup()


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.touch(mode=0o600)
    path.write_text("stale")
    return path


async def test_a_token_renewed_under_a_waiting_job_is_tried_before_the_job_hears_of_a_refusal(token: Path) -> None:
    seen: list[str] = []
    renew = partial(token.write_text, "fresh")

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.headers["Authorization"])
        if seen[-1] == "Bearer stale":
            renew()
            return web.Response(status=401)
        return web.Response(text="[]")

    permits = InMemoryRateLimiter()
    async with served(handler, token) as transport:
        response = await transport.wire(permits).fetch(WireRequest("/"), http_condition, "S")
    assert (response.status, seen) == (200, ["Bearer stale", "Bearer fresh"])
    assert permits.granted == permits.answered == 2


async def test_a_refusal_with_the_same_secret_is_not_tried_again(token: Path) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=401)

    permits = InMemoryRateLimiter()
    async with served(handler, token) as transport:
        with pytest.raises(CredentialsRefused) as caught:
            await transport.wire(permits).fetch(WireRequest("/"), http_condition, "S")
    assert permits.granted == 1
    assert "stale" not in str(caught.value)


async def test_a_web_page_under_a_200_is_a_broker_that_cannot_be_reached() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="<html>Back at 9</html>", content_type="text/html")

    async with served(handler) as transport:
        with pytest.raises(BrokerUnavailable, match="a web page, where the broker's API was asked"):
            await transport.wire(InMemoryRateLimiter()).fetch(WireRequest("/"), http_condition, "S")


async def test_a_judge_that_meets_a_body_it_did_not_expect_makes_the_answer_unusable_and_ends_no_job() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="[]")

    def judge(response: WireResponse) -> Condition | None:
        return Unusable(parse_json(response)["error"])

    permits = InMemoryRateLimiter()
    async with served(handler) as transport:
        with pytest.raises(MalformedResponse, match="HTTP 200: not an answer that can be read: TypeError"):
            await transport.wire(permits).fetch(WireRequest("/"), judge, "S")
    assert permits.answered == 1


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_a_body_is_cut_off_at_its_bound_however_it_is_packed(encoding: str) -> None:
    body = b"x" * 2_000_000

    async def handler(request: web.Request) -> web.Response:
        packed = gzip.compress(body) if encoding == "gzip" else body
        return web.Response(body=packed, headers={"Content-Encoding": encoding})

    async with served(handler) as transport:
        wire = transport.wire(InMemoryRateLimiter())
        with pytest.raises(MalformedResponse, match="its body is longer than 1,000,000 bytes"):
            await wire.fetch(WireRequest("/", most_body_bytes=1_000_000), http_condition, "S")
        assert len((await wire.fetch(WireRequest("/"), http_condition, "S")).body) == len(body)
