from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from adapters.simulator import SimulatorProcess
from tests.cluster.collection_bench import TREE, CollectionBench

# Ray reads these when it is imported, which a test module here may do before any session sets them.
os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")

Benches = Callable[..., CollectionBench]

KEEPER = """
import sys
from actors.ray_session import RaySession
print(RaySession().connect('embedded'), flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="session")
def cluster_address() -> Iterator[str]:
    """A Ray cluster for the whole run, kept by a process of its own; it ends with that process's input."""
    with subprocess.Popen(
        [sys.executable, "-c", KEEPER], cwd=TREE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as keeper:
        assert keeper.stdin is not None
        assert keeper.stdout is not None
        yield keeper.stdout.readline().strip()
        keeper.stdin.close()
        keeper.wait(30)


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
