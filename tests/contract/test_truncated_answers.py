"""A worker over real HTTP, with candles on disk, against an exchange that truncates its answers without a word."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from actors.collection_worker import CollectionWorker
from adapters.brokers.binance.gateway import BinanceGateway
from adapters.candle_store.repository import CandleFiles
from adapters.in_memory import InMemoryJobRepository, InMemoryRateLimiter, RecordingEmitter
from adapters.simulator import NO_LATENCY, Fault, FaultKind, SimulatedExchange
from domain.candles.dataset import Interval
from domain.jobs.batches import BatchReport
from domain.jobs.request import CollectionRequest
from domain.jobs.retries import RetryPolicy
from domain.spans.time_span import TimeSpan
from tests.contract.gateway_queries import binance_at

MINUTE_MS = 60_000
BARS = 2_500
REQUEST = CollectionRequest("binance", "default", ("CUT", "WELL"), Interval("1m"), TimeSpan(0, BARS * MINUTE_MS))


@asynccontextmanager
async def collected(folder: Path, *faults: Fault) -> AsyncIterator[tuple[BatchReport, CandleFiles, int]]:
    """What became of two symbols, and how many requests the exchange saw."""
    jobs, files = InMemoryJobRepository(REQUEST), CandleFiles(folder)
    async with SimulatedExchange(["1000/1s"], NO_LATENCY, faults) as exchange:
        worker = CollectionWorker(
            jobs,
            BinanceGateway(),
            binance_at(exchange.base_url),
            files,
            InMemoryRateLimiter(),
            RecordingEmitter(),
            retry_policy=RetryPolicy(attempts=3, base_seconds=0.001),
        )
        await worker.run(jobs.job_id)
        yield jobs.reports[0], files, exchange.arrivals.report()["requests"]


def stored(files: CandleFiles, symbol: str) -> int:
    return len(files.read(BinanceGateway().dataset(symbol, REQUEST.interval), REQUEST.span))


async def test_sound_answers_cost_one_request_a_page(tmp_path: Path) -> None:
    async with collected(tmp_path) as (report, files, requests):
        assert (set(report.completed), requests, report.requests) == ({"CUT", "WELL"}, 6, 6)
        assert (stored(files, "CUT"), report.findings) == (BARS, {})


@pytest.mark.parametrize("kind", [FaultKind.FIRST_BARS, FaultKind.LAST_BARS])
async def test_a_broker_that_never_sends_more_than_500_bars_fails_the_symbol_and_stores_none(
    tmp_path: Path, kind: FaultKind
) -> None:
    async with collected(tmp_path, Fault(kind, "CUT", bars=500)) as (report, files, _):
        (failure,) = report.failed
        assert (failure.symbol, failure.kind, failure.attempts) == ("CUT", "MalformedResponse", 3)
        assert "truncated: of 1000 bars expected in [1970-01-01T00:00:00Z" in failure.message
        assert "500 came, and requested again for" in failure.message
        assert (stored(files, "CUT"), stored(files, "WELL"), report.completed) == (0, BARS, ("WELL",))


@pytest.mark.parametrize(
    "fault",
    [
        Fault(FaultKind.FIRST_BARS, "CUT", times=1, bars=500),
        Fault(FaultKind.LAST_BARS, "CUT", times=1, bars=999),
        Fault(FaultKind.LATE_BARS, "CUT", times=1, bars=3),
        Fault(FaultKind.FIRST_BARS, "CUT", times=1, bars=0),
        Fault(FaultKind.FIRST_BARS, "CUT", times=3, bars=0),
    ],
    ids=str,
)
async def test_an_answer_cut_once_or_a_bar_that_comes_late_leaves_no_hole(tmp_path: Path, fault: Fault) -> None:
    async with collected(tmp_path, fault) as (report, files, requests):
        assert (set(report.completed), report.failed) == ({"CUT", "WELL"}, ())
        assert stored(files, "CUT") == BARS
        assert report.requests == requests > 6
