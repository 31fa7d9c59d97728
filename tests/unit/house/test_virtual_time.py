from __future__ import annotations

import asyncio
import time

import pytest


async def test_an_hour_of_sleep_moves_the_clock_and_costs_no_wall_time() -> None:
    loop = asyncio.get_running_loop()
    before, wall_before = loop.time(), time.monotonic()
    await asyncio.sleep(3600)
    assert loop.time() - before == pytest.approx(3600)
    assert time.monotonic() - wall_before < 60


async def test_timers_fire_in_the_order_of_their_moments() -> None:
    order: list[int] = []

    async def note(seconds: int) -> None:
        await asyncio.sleep(seconds)
        order.append(seconds)

    await asyncio.gather(*(note(seconds) for seconds in (30, 10, 20)))
    assert order == [10, 20, 30]


async def test_no_timer_overtakes_a_thread_at_work() -> None:
    async with asyncio.timeout(60):
        await asyncio.to_thread(time.sleep, 0.05)


async def test_no_timer_overtakes_an_open_socket() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server, asyncio.timeout(60):
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello\n")
        assert await reader.readline() == b"hello\n"
        writer.close()
        await writer.wait_closed()
