from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from adapters.simulator import SimulatorProcess
from tests.cluster.collection_bench import CollectionBench
from tests.cluster.kept_cluster import KeptCluster, kept_cluster

# Ray reads these when it is imported, which a test module here may do before any session sets them.
os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")

Benches = Callable[..., CollectionBench]


@pytest.fixture(scope="session")
def kept() -> Iterator[KeptCluster]:
    """A Ray cluster for the whole run."""
    with kept_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def cluster_address(kept: KeptCluster) -> str:
    """Where that cluster is joined."""
    return kept.address


@pytest.fixture
def bench_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, list[str]], CollectionBench]]:
    monkeypatch.setenv("CANDLES_STATE_DIR", str(tmp_path / "state"))
    with ExitStack() as stack:

        def make(address: str, options: list[str]) -> CollectionBench:
            simulator = stack.enter_context(SimulatorProcess(options))
            bench = CollectionBench(tmp_path, simulator, address)
            stack.callback(bench.end_everything)
            bench.configure()
            return bench

        yield make


@pytest.fixture
def in_cluster(bench_at: Callable[[str, list[str]], CollectionBench], cluster_address: str) -> Benches:
    """Makes a bench whose jobs run in the cluster of this run; its arguments are the exchange's options."""
    return lambda *options: bench_at(cluster_address, list(options))


@pytest.fixture
def embedded(bench_at: Callable[[str, list[str]], CollectionBench]) -> Benches:
    """Makes a bench whose jobs bring a Ray of their own."""
    return lambda *options: bench_at("embedded", list(options))
