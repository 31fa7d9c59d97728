"""The simulated exchange over HTTP: Binance's dialect, its limits, its own count, and its process."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from adapters.simulator import NO_LATENCY, Fault, FaultKind, Latency, SimulatedExchange, SimulatorProcess

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2024, 3, 1, 12, 0, 30, 500_000, tzinfo=UTC)
MINUTE_MS = 60_000


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        SimulatedExchange(["3/1s"], NO_LATENCY, clock=NOW.timestamp, unknown_symbols=["GONE"]) as exchange,
        aiohttp.ClientSession(exchange.base_url) as session,
    ):
        yield session


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for has no event to tell
        await asyncio.sleep(0.001)


async def get(session: aiohttp.ClientSession, path: str, **params: Any) -> tuple[int, Any, Any]:
    async with session.get(path, params=params) as answer:
        return answer.status, await answer.json(), answer.headers


async def test_klines_are_rows_of_twelve_up_to_the_forming_bar(client: aiohttp.ClientSession) -> None:
    now_ms = int(NOW.timestamp() * 1000)
    status, rows, headers = await get(
        client, "/api/v3/klines", symbol="BTCUSDT", interval="1m", startTime=now_ms - 3 * MINUTE_MS, endTime=2 * now_ms
    )
    assert status == 200
    assert [row[0] for row in rows] == [now_ms - 30_500 - minutes * MINUTE_MS for minutes in (2, 1, 0)]
    assert [[type(value) for value in row] for row in rows] == [[int, *[str] * 5, int, str, int, str, str, str]] * 3
    assert headers["X-MBX-USED-WEIGHT-1M"] == "2"
    assert parsedate_to_datetime(headers["Date"]) == NOW.replace(microsecond=0)


async def test_without_a_limit_five_hundred_come_and_never_more_than_a_thousand(client: aiohttp.ClientSession) -> None:
    for limit, expected in (({}, 500), ({"limit": 5000}, 1000)):
        _, rows, _ = await get(client, "/api/v3/klines", symbol="BTCUSDT", interval="1m", startTime=0, **limit)
        assert len(rows) == expected


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"symbol": "GONE", "interval": "1m"}, -1121),
        ({"symbol": "BTCUSDT", "interval": "7m"}, -1120),
        ({"symbol": "BTCUSDT"}, -1102),
        ({"symbol": "BTCUSDT", "interval": "1m", "startTime": "noon"}, -1100),
    ],
)
async def test_a_wrong_question_gets_binances_own_error(
    client: aiohttp.ClientSession, params: dict[str, str], code: int
) -> None:
    status, payload, _ = await get(client, "/api/v3/klines", **params)
    assert (status, payload["code"]) == (400, code)
    assert payload["msg"]


async def test_the_small_endpoints_answer(client: aiohttp.ClientSession) -> None:
    assert (await get(client, "/api/v3/ping"))[1] == {}
    assert (await get(client, "/api/v3/time"))[1] == {"serverTime": int(NOW.timestamp() * 1000)}
    assert (await get(client, "/api/v3/exchangeInfo"))[1]["rateLimits"][0]["limit"] == 3


async def test_one_request_too_many_is_refused_counted_and_told_when_to_come_back(
    client: aiohttp.ClientSession,
) -> None:
    answers = [await get(client, "/api/v3/ping") for _ in range(5)]
    assert [status for status, _, _ in answers] == [200, 200, 200, 429, 429]
    assert answers[3][1]["code"] == -1003
    assert answers[3][2]["Retry-After"] == "1"
    _, report, _ = await get(client, "/simulator/report")
    assert (report["requests"], report["violations"], report["most_in_window"]) == (5, 2, {"3/1s": 5})
    assert report["statuses"] == {"200": 3, "429": 2}


async def test_the_log_and_the_origins_can_be_read_and_are_not_counted(client: aiohttp.ClientSession) -> None:
    await get(client, "/api/v3/klines", symbol="BTCUSDT", interval="1d", limit=1)
    await get(client, "/api/v3/klines", symbol="AAPL", interval="1d", limit=1)
    _, arrivals, _ = await get(client, "/simulator/arrivals")
    _, symbols, _ = await get(client, "/simulator/symbols")
    assert [(arrival["symbol"], arrival["status"], arrival["weight"]) for arrival in arrivals] == [
        ("BTCUSDT", 200, 2),
        ("AAPL", 200, 2),
    ]
    assert (symbols["BTCUSDT"], symbols["AAPL"]) == ("generated", "recorded")


async def test_the_log_tells_which_page_was_asked_and_what_went_wrong_with_it() -> None:
    faults = [Fault(FaultKind.SERVER_ERROR, times=1)]
    async with (
        SimulatedExchange(["9/1s"], NO_LATENCY, faults) as exchange,
        aiohttp.ClientSession(exchange.base_url) as session,
    ):
        await session.get("/api/v3/klines", params={"symbol": "BTCUSDT", "interval": "1m", "startTime": "60000"})
        await get(session, "/api/v3/ping")
        asked = [(arrival.start_ms, arrival.fault, arrival.status) for arrival in exchange.arrivals.arrivals]
    assert asked == [("60000", "server_error", 503), ("", "", 200)]


async def test_a_request_that_the_network_swallows_is_counted_as_lost_and_not_as_arrived() -> None:
    async with (
        SimulatedExchange(["9/1s"], NO_LATENCY, [Fault(FaultKind.LOST, times=1)]) as exchange,
        aiohttp.ClientSession(exchange.base_url) as session,
    ):
        with pytest.raises(aiohttp.ClientError):
            await session.post("/api/v3/ping")
        await get(session, "/api/v3/ping")
        report = exchange.arrivals.report()
    assert (report["requests"], report["lost"]) == (1, 1)


async def test_a_request_whose_client_gave_up_still_arrives() -> None:
    begun = asyncio.Event()

    class SlowUplink(Latency):
        def uplink_seconds(self, _source: random.Random) -> float:
            begun.set()
            return 0.1

    async with (
        SimulatedExchange(["3/1s"], SlowUplink()) as exchange,
        aiohttp.ClientSession(exchange.base_url) as session,
    ):
        fetching = asyncio.create_task(get(session, "/api/v3/ping"))
        await begun.wait()
        fetching.cancel()
        assert exchange.arrivals.arrivals == []
        await until(lambda: exchange.arrivals.arrivals)


def test_the_process_serves_tells_its_count_and_ends() -> None:
    with SimulatorProcess(["--limits", "2/1s", "600w/60s", "--fault", "server_error,times=1"]) as simulator:
        assert simulator.report()["limits"] == ["2/1s", "600w/60s"]
        assert simulator.arrivals() == []
        assert simulator.symbols()["IBM"] == "recorded"
        process = psutil.Process(simulator.process_id)
    assert not process.is_running()


def test_the_process_leaves_ctrl_c_ignored_where_it_was_started_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with SimulatorProcess() as simulator:
            os.kill(simulator.process_id, signal.SIGINT)
            with pytest.raises(psutil.TimeoutExpired):
                psutil.Process(simulator.process_id).wait(1.0)
            assert simulator.report()["requests"] == 0
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_process_does_not_outlive_a_parent_that_is_killed() -> None:
    script = """
        import time
        from adapters.simulator import SimulatorProcess
        with SimulatorProcess() as simulator:
            print(simulator.process_id, flush=True)
            time.sleep(60)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        simulator = psutil.Process(int(parent.stdout.readline()))
        os.kill(parent.pid, signal.SIGKILL)
    psutil.wait_procs([simulator], timeout=10)
    assert not simulator.is_running() or simulator.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    ("kind", "kept"),
    [
        (FaultKind.FIRST_BARS, [0, 1, 2]),
        (FaultKind.LAST_BARS, [7, 8, 9]),
        (FaultKind.LATE_BARS, [0, 1, 2, 3, 4, 5, 6]),
    ],
)
async def test_a_truncated_answer_looks_like_any_other_and_leaves_out_what_the_script_says(
    kind: FaultKind, kept: list[int]
) -> None:
    query = {"symbol": "BTCUSDT", "interval": "1m", "startTime": 0, "endTime": 10 * MINUTE_MS - 1}
    async with (
        SimulatedExchange(["9/1s"], NO_LATENCY, [Fault(kind, times=1, bars=3)], clock=NOW.timestamp) as exchange,
        aiohttp.ClientSession(exchange.base_url) as session,
    ):
        status, rows, headers = await get(session, "/api/v3/klines", **query)
        _, whole, _ = await get(session, "/api/v3/klines", **query)
    assert (status, headers["Content-Type"]) == (200, "application/json; charset=utf-8")
    assert rows == [whole[number] for number in kept]
    assert len(whole) == 10


async def test_a_truncated_answer_may_have_nothing_left() -> None:
    async with (
        SimulatedExchange(["9/1s"], NO_LATENCY, [Fault(FaultKind.LAST_BARS)]) as exchange,
        aiohttp.ClientSession(exchange.base_url) as session,
    ):
        assert (await get(session, "/api/v3/klines", symbol="A", interval="1m"))[:2] == (200, [])
