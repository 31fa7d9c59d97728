"""A gateway of somebody else's: installed as a package of its own, found by name, collected through."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.candle_store.repository import CandleFiles
from domain.candles.dataset import Dataset, Interval
from domain.spans.time_span import TimeSpan
from tests.pages import TREE, write_files

SERVER = """
import asyncio, sys
from test_toy_gateway import ToyBroker, hours
async def main():
    async with ToyBroker({"ONE": hours(0, 1440), "TWO": hours(0, 1440)}).serving() as broker:
        print(broker.base_url, flush=True)
        await asyncio.to_thread(sys.stdin.read)
        print(broker.requests, flush=True)
asyncio.run(main())
"""
SPAN = TimeSpan(1_704_067_200_000, 1_709_251_200_000)  # January and February 2024
HOURS = 1440


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Where the worked example of docs/gateways.md is installed, as pip does it anywhere."""
    package, site = tmp_path / "package", tmp_path / "site"
    package.mkdir()
    write_files("gateways.md", package)
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(site)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(package)], check=True)
    return site


@contextmanager
def toy_broker(package: Path, environment: dict[str, str]) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The broker of the worked example: its address, and its process, which counts requests until it is ended."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER],
        cwd=package,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip(), server
        server.kill()


def test_an_installed_gateway_is_found_planned_with_and_collected_through(tmp_path: Path, site: Path) -> None:
    package = tmp_path / "package"
    state = str(tmp_path / "state")
    environment = {**os.environ, "PYTHONPATH": f"{TREE}{os.pathsep}{site}", "CANDLES_STATE_DIR": state}
    with toy_broker(package, environment) as (base_url, server):
        settings = tmp_path / "candles.toml"
        text = (package / "candles.toml").read_text()
        settings.write_text(text.replace("[broker]\n", f'[broker]\nbase_url = "{base_url}"\n'))

        def run(*arguments: str) -> str:
            command = [sys.executable, "-m", "actors", *arguments]
            ended = subprocess.run(
                command, cwd=TREE, env=environment, capture_output=True, text=True, timeout=100, check=False
            )
            assert ended.returncode == 0, ended.stdout + ended.stderr
            return ended.stdout

        assert "not verified" in run("brokers", "toy")
        assert "requests  6 " in run("plan", str(settings))
        run("collect", str(settings))
        counted, _ = server.communicate(timeout=10)
    assert counted.strip() == "6"
    files = CandleFiles(tmp_path / "data")
    stored = {symbol: files.read(Dataset("toy", symbol, Interval("1h")), SPAN) for symbol in ("ONE", "TWO")}
    assert {symbol: len(candles) for symbol, candles in stored.items()} == {"ONE": HOURS, "TWO": HOURS}
