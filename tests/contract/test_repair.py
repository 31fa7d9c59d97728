"""A repair without Ray: damage on disk, the job that repairs it over real HTTP, and the proof after it."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest

from actors.collection_worker import CollectionWorker
from actors.service import candle_proof
from actors.settings.model import Settings
from actors.settings.timestamps import now
from actors.use_cases.catalog import JobCatalog
from actors.use_cases.job_proof import JobProof
from adapters.brokers.binance.gateway import BinanceGateway
from adapters.candle_store.layout import folder_of
from adapters.candle_store.repository import CandleFiles
from adapters.in_memory import InMemoryJobRepository, InMemoryRateLimiter, RecordingEmitter
from adapters.job_store.journal import JobJournal
from adapters.simulator import NO_LATENCY, SimulatedExchange
from domain.candles.candles import Candles
from domain.candles.dataset import Dataset, Interval
from domain.errors import SettingsError
from domain.jobs.request import CollectionRequest
from domain.spans.time_span import TimeSpan
from tests.contract.gateway_queries import binance_at

HOUR_MS = 3_600_000
START_MS = 1_701_388_800_000  # 2023-12-01: hourly files are cut at the turn of the year
SPAN = TimeSpan(START_MS, START_MS + 1_440 * HOUR_MS)
REQUEST = CollectionRequest("binance", "default", ("DAMAGED", "DENIED", "GONE", "WHOLE"), Interval("1h"), SPAN)

Store: TypeAlias = tuple[CandleFiles, JobCatalog, JobProof]


async def collect(request: CollectionRequest, base_url: str, files: CandleFiles) -> int:
    """Collect a request with one worker; how many requests it took."""
    jobs = InMemoryJobRepository(request)
    worker = CollectionWorker(
        jobs,
        BinanceGateway(),
        binance_at(base_url),
        files,
        InMemoryRateLimiter(),
        RecordingEmitter(),
        clock=now_seconds,
    )
    await worker.run(jobs.job_id)
    assert sum(len(report.completed) for report in jobs.reports) == len(request.symbols)
    return sum(report.requests for report in jobs.reports)


def now_seconds() -> float:
    return now().timestamp()


def dataset_of(symbol: str, interval: Interval, request: CollectionRequest | None = None) -> Dataset:
    return BinanceGateway().dataset(symbol, interval)


def one_hour(hour: int) -> TimeSpan:
    return TimeSpan(START_MS + hour * HOUR_MS, START_MS + (hour + 1) * HOUR_MS)


async def test_damage_gaps_and_lost_files_are_mended_and_the_store_is_what_it_was(tmp_path: Path) -> None:
    path = tmp_path / "candles.toml"
    path.write_text('[broker]\ngateway = "binance"\n[storage]\nroot = "data"\n')
    files, catalog = CandleFiles(tmp_path / "data"), JobCatalog(JobJournal.in_memory())
    proof = JobProof(Settings.load(path), catalog, candle_proof(files.root, ()), dataset_of)
    job_id = catalog.find_or_submit(REQUEST)
    async with SimulatedExchange(["1000/1s"], NO_LATENCY) as exchange:
        assert await collect(REQUEST, exchange.base_url, files) == 8
        whole = proof.certificates(job_id)
        assert all(one.is_proven for one in whole)

        damaged = next((files.root).rglob("DAMAGED/2024.candles"))
        damaged.write_bytes(damaged.read_bytes()[:-1] + b"\x00")
        next((files.root).rglob("GONE/2023.candles")).unlink()
        deny(files, hour=700)

        assert [one.is_complete for one in proof.gaps(job_id)] == [True, True, False, True]
        repair = proof.repair(job_id)
        (request,) = repair.requests
        assert [damage.path for damage in repair.set_aside] == [str(damaged)]
        assert (request.symbols, request.span) == (("DAMAGED", "DENIED", "GONE"), SPAN)
        assert await collect(request, exchange.base_url, files) == 3

    mended = proof.certificates(job_id)
    assert [one.problems for one in mended] == [()] * 4
    assert [one.content_hash for one in mended] == [one.content_hash for one in whole]
    assert proof.repair(job_id).requests == ()
    assert len(list(damaged.parent.glob("*.corrupt*"))) == 1


def deny(files: CandleFiles, hour: int) -> None:
    """Store DENIED again without one bar, as if the broker had denied it twice."""
    dataset = BinanceGateway().dataset("DENIED", REQUEST.interval)
    candles = files.read(dataset, SPAN)
    for stored in files.root.rglob("DENIED/*.candles"):
        stored.unlink()
    before, after = candles.take(slice(0, hour)), candles.take(slice(hour + 1, None))
    files.save(dataset, SPAN, Candles.concatenate([before, after]))
    assert files.coverage(dataset, one_hour(hour)).denied == (one_hour(hour),)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    path = tmp_path / "candles.toml"
    path.write_text('[broker]\ngateway = "binance"\n[storage]\nroot = "data"\n')
    files, catalog = CandleFiles(tmp_path / "data"), JobCatalog(JobJournal.in_memory())
    return (
        files,
        catalog,
        JobProof(Settings.load(path), catalog, candle_proof(files.root, ()), dataset_of),
    )


def save(files: CandleFiles, dataset: Dataset, first_ms: int, bars: int = 10) -> Path:
    """Store a few bars; the file they lie in."""
    duration_ms = dataset.interval.duration_ms
    opens = first_ms + duration_ms * np.arange(bars, dtype=np.int64)
    ones = np.ones(bars)
    files.save(dataset, TimeSpan(first_ms, first_ms + bars * duration_ms), Candles(opens, ones, ones, ones, ones, ones))
    return max(folder_of(files.root, dataset).glob("*.candles"))


def test_a_repair_of_a_file_with_a_ruined_header_asks_for_nothing_that_is_yet_to_come(store: Store) -> None:
    files, _, proof = store
    dataset = BinanceGateway().dataset("AAA", Interval("1h"))
    closed_ms = dataset.floor_ms(int(now_seconds() * 1000))
    save(files, dataset, closed_ms - 10 * HOUR_MS).write_bytes(b"ruined")
    (request,) = proof.repair("AAA").requests
    assert closed_ms <= request.span.end_ms <= dataset.floor_ms(int(now_seconds() * 1000))


@pytest.mark.parametrize(
    ("dataset", "sentence"),
    [
        (BinanceGateway().dataset("AAA", Interval("1d")), "it is unknown how much of"),
        (Dataset("kraken", "AAA", Interval("1h")), "is not what .broker. in"),
    ],
)
def test_a_repair_that_cannot_fetch_again_sets_nothing_aside(store: Store, dataset: Dataset, sentence: str) -> None:
    files, _, proof = store
    whole = save(files, BinanceGateway().dataset("AAA", Interval("1m")), START_MS)
    damaged = save(files, dataset, START_MS)
    for path in (whole, damaged):
        path.write_bytes(b"ruined")
    with pytest.raises(SettingsError, match=sentence):
        proof.repair("AAA")
    assert whole.exists()
    assert damaged.exists()


def test_a_job_named_by_a_beginning_is_still_named_when_its_repair_has_made_another_that_begins_so(
    store: Store,
) -> None:
    _, catalog, proof = store
    job_id = catalog.find_or_submit(REQUEST)
    repair = proof.repair("binance")
    catalog.find_or_submit(repair.requests[0])
    assert repair.target == job_id
    assert len(proof.gaps(repair.target)) == 4
