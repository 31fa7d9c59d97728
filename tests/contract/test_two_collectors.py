"""Two processes that collect the same candles over HTTP into the same files, and the exchange that counts."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from adapters.candle_store.repository import CandleFiles
from adapters.simulator import SimulatorProcess
from domain.candles.dataset import Dataset, Interval
from domain.spans.time_span import TimeSpan

TREE = Path(__file__).resolve().parents[2]
SYMBOLS = ("ONE", "TWO")
SPAN = TimeSpan(1_672_531_200_000, 1_704_067_200_000)  # 2023, by the hour: nine pages
PAGES = 9 * len(SYMBOLS)

COLLECTOR = """
import asyncio, sys
from actors.collection_worker import CollectionWorker
from adapters.brokers.binance.gateway import BinanceGateway
from adapters.brokers.http.transport import HttpTransport
from adapters.candle_store.repository import CandleFiles
from adapters.in_memory import InMemoryJobRepository, InMemoryRateLimiter, RecordingEmitter
from domain.candles.dataset import Interval
from domain.jobs.request import CollectionRequest
from domain.spans.time_span import TimeSpan
base_url, root, start_ms, end_ms, *symbols = sys.argv[1:]
span = TimeSpan(int(start_ms), int(end_ms))
jobs = InMemoryJobRepository(CollectionRequest("binance", "default", tuple(symbols), Interval("1h"), span))
async def main():
    transport, limiter = HttpTransport("binance", base_url), InMemoryRateLimiter()
    worker = CollectionWorker(jobs, BinanceGateway(), transport, CandleFiles(root), limiter, RecordingEmitter())
    return await worker.run(jobs.job_id)
outcome = asyncio.run(main())
print(outcome.reason, jobs.progress().symbols_completed)
"""


def collector(exchange: SimulatorProcess, root: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", COLLECTOR, exchange.base_url, root, SPAN.start_ms, SPAN.end_ms, *SYMBOLS]
    return subprocess.Popen(list(map(str, command)), cwd=TREE, stdout=subprocess.PIPE, text=True)


def asked(exchange: SimulatorProcess) -> Counter[tuple[str, str]]:
    return Counter((one["symbol"], one["start_ms"]) for one in exchange.arrivals() if one["path"] == "/api/v3/klines")


@pytest.mark.parametrize("is_one_killed", [False, True])
def test_two_processes_ask_each_page_once_and_one_goes_on_when_the_other_is_killed(
    tmp_path: Path, is_one_killed: bool
) -> None:
    with (
        SimulatorProcess(["--limits", "1000/1s", "--uplink-ms", "20", "--downlink-ms", "20"]) as exchange,
        collector(exchange, tmp_path) as first,
        collector(exchange, tmp_path) as second,
    ):
        if is_one_killed:
            while not exchange.arrivals():
                time.sleep(0.005)
            first.kill()
        output, _ = second.communicate(timeout=60)
        assert output.split() == ["done", str(len(SYMBOLS))]
        if not is_one_killed:
            assert first.communicate(timeout=60)[0] == output
        pages = asked(exchange)
        in_flight_at_most = len(SYMBOLS) if is_one_killed else 0
        assert len(pages) == PAGES
        assert sum(pages.values()) - PAGES <= in_flight_at_most
    for symbol in SYMBOLS:
        dataset = Dataset("binance", symbol, Interval("1h"))
        assert CandleFiles(tmp_path).coverage(dataset, SPAN).stored == (SPAN,)
