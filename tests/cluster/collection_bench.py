"""CollectionBench: one collection under test, with an exchange that judges it, its settings and its processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import psutil

from actors.service import CollectionService
from actors.settings.model import Settings
from actors.settings.state_folder import state_folder
from adapters.brokers.binance.gateway import SPEC
from adapters.candle_store.repository import CandleFiles
from adapters.permit_store.log_reader import read_audit_history
from adapters.simulator import SimulatorProcess
from adapters.simulator.market import KlinesQuery, Market
from domain.candles.dataset import Dataset, Interval
from domain.jobs.progress import Progress
from domain.limits.audit import AuditHistory
from domain.spans.time_span import TimeSpan

TREE = Path(__file__).resolve().parents[2]
START_MS, END_MS = 1_577_836_800_000, 1_609_459_200_000
"""2020, a leap year: 366 days."""
DAY = Interval("1d")
PATIENCE_SECONDS = 60.0

_TEMPLATE = """
[broker]
gateway = "binance"
base_url = "{base_url}"
account = "{account}"
limits = {limits}
timeout_seconds = {timeout_seconds}
[job]
symbols = {symbols}
interval = "1d"
start = 2020-01-01
end = 2021-01-01
workers = {workers}
batch_size = {batch_size}
concurrency = {concurrency}
max_failures = {max_failures}
on_too_many_failures = "{on_too_many_failures}"
[storage]
root = "{root}"
[cluster]
address = "{address}"
"""


def until(condition: Callable[[], object], what: str) -> None:
    """Poll until the condition holds; AssertionError when it never does."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.02)


class CollectionBench:
    """A folder with a settings file, the exchange it names, and every process started from here."""

    def __init__(self, folder: Path, simulator: SimulatorProcess, address: str) -> None:
        self.folder = folder
        self.simulator = simulator
        self.address = address
        self.account = folder.name
        self.path = folder / "candles.toml"
        self.symbols: list[str] = []
        self.started: list[subprocess.Popen[str]] = []

    def configure(self, symbols: int = 20, name: str = "candles", **changes: object) -> Path:
        """Write a settings file for so many generated symbols."""
        self.path = self.folder / f"{name}.toml"
        self.symbols = [f"SIM{number:03}" for number in range(symbols)]
        values: dict[str, object] = {
            "base_url": self.simulator.base_url,
            "root": "data",
            "account": self.account,
            "limits": ["15/1s"],
            "timeout_seconds": 5,
            "workers": 4,
            "batch_size": 5,
            "concurrency": 4,
            "max_failures": "10%",
            "on_too_many_failures": "pause",
        } | changes
        as_toml = {key: json.dumps(values[key]) for key in ("limits", "max_failures")}
        self.path.write_text(
            _TEMPLATE.format(
                **values | as_toml,
                symbols=json.dumps(self.symbols),
                address=self.address,
            )
        )
        return self.path

    def service(self) -> CollectionService:
        """The service of this very process, under the settings written last."""
        return CollectionService(Settings.load(self.path))

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `candles` with these words to its end."""
        process = self.start(*words)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def start(self, *words: str, program: Sequence[str] = (sys.executable, "-m", "actors")) -> subprocess.Popen[str]:
        """Start `candles` with these words, as the leader of a process group of its own, as a shell does."""
        process = subprocess.Popen(
            [*program, *words],
            cwd=TREE,
            env=os.environ | {"CANDLES_SETTINGS": str(self.path)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def until_requests(self, count: int) -> None:
        """Wait until the exchange has seen so many requests."""
        until(lambda: self.requests >= count, f"the exchange saw {count} requests")

    @property
    def requests(self) -> int:
        """How many requests the exchange has seen."""
        return int(self.simulator.report()["requests"])

    def stored_jobs(self) -> list[Progress]:
        """The jobs in the store."""
        with self.service() as service:
            return service.jobs()

    def history(self) -> AuditHistory:
        """Every permit of the account that was used or may have been, as the limiter logged it."""
        return read_audit_history(state_folder(), SPEC.name, self.account)

    def assert_limit_kept(self) -> None:
        """The exchange counted at most what it allows, in every sliding window."""
        report = self.simulator.report()
        assert report["violations"] == 0
        assert "429" not in report["statuses"]
        for name, most in report["most_in_window"].items():
            assert most <= int(name.partition("/")[0])

    def assert_candles_are_true(self, symbols: Sequence[str] = ()) -> None:
        """Every symbol has all the exchange's candles, each once, bit by bit, and nothing is missing."""
        stored, market = CandleFiles(self.folder / "data"), Market()
        span = TimeSpan(START_MS, END_MS)
        for symbol in symbols or self.symbols:
            dataset = Dataset(SPEC.name, symbol, DAY)
            query = KlinesQuery(symbol, DAY.name, START_MS, END_MS - 1, 1000)
            truth = [json.loads(row) for row in market.klines(query, now_ms=END_MS)]
            candles = stored.read(dataset, span)
            assert stored.coverage(dataset, span).missing == ()
            assert candles.open_time_ms.tolist() == [row[0] for row in truth]
            for place, column in enumerate((candles.open, candles.high, candles.low, candles.close, candles.volume), 1):
                assert np.array_equal(column, np.array([float(row[place]) for row in truth]))

    def end_everything(self) -> None:
        """Kill the processes that were started here and still run."""
        for process in self.started:
            kill_all([*family_of(process), *same_session(process.pid)])
            process.communicate(timeout=PATIENCE_SECONDS)


def family_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The process with all its descendants; empty when it has ended."""
    try:
        parent = psutil.Process(process.pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def same_session(session_id: int) -> list[psutil.Process]:
    """The processes left of the session, with or without its leader."""
    left = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session_id:
                left.append(process)
        except ProcessLookupError:
            continue
    return left


def kill_all(processes: Sequence[psutil.Process]) -> None:
    """kill -9 them, and wait until they are gone."""
    for process in processes:
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(processes, timeout=10)


def still_there(processes: Sequence[psutil.Process]) -> list[str]:
    """Those that have not ended; a zombie counts as ended."""
    left = []
    for process in processes:
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                left.append(f"{process.pid} {process.name()}")
        except psutil.NoSuchProcess:
            continue
    return left


def actor_process(name: str) -> psutil.Process:
    """The process of the living actor whose name begins so, in the cluster this process has joined."""
    return actor_processes(name)[0]


def actor_processes(name: str) -> list[psutil.Process]:
    """The processes of all living actors whose names begin so; waits until there is one."""
    import ray._private.state as cluster_state

    found: list[int] = []

    def look() -> bool:
        actors = cluster_state.actors().values()
        alive = [actor["Pid"] for actor in actors if actor["Name"].startswith(name) and actor["State"] == "ALIVE"]
        # Ray learns of a death a moment after it.
        found[:] = filter(psutil.pid_exists, alive)
        return bool(found)

    until(look, f"an actor {name} lives")
    return [psutil.Process(pid) for pid in found]
