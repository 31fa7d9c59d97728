"""The pages for people, carried out: every block of shell and Python, in its order, as a reader would."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.simulator import SimulatorProcess
from tests.documents import SHELL, SIMULATED, TREE, Block, blocks, pages

SECONDS_A_BLOCK = 120


class Reader:
    """A reader who does what a page says, in one folder and one shell."""

    def __init__(self, folder: Path, exchange: SimulatorProcess) -> None:
        self._folder, self._exchange = folder, exchange
        self._shell_state = folder.parent / "shell-state"
        self._shell_state.touch()
        self._environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(TREE),
            "CANDLES_STATE_DIR": str(folder.parent / "state"),
        }

    def do(self, block: Block) -> None:
        """Carry out a block; AssertionError with what it said where it fails."""
        if block.marker == SIMULATED:
            self._point_at_the_exchange(self._folder / "candles.toml")
        state = shlex.quote(str(self._shell_state))
        script = f"set -euo pipefail\nsource {state}\n{block.text}\nexport -p > {state}\n"
        command = ["bash", "-c", script] if block.language in SHELL else [sys.executable, "-c", block.text]
        ended = subprocess.run(
            command,
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS_A_BLOCK,
            check=False,
        )
        assert ended.returncode == 0, f"{block} failed:\n{block.text}\n{ended.stdout}\n{ended.stderr}"

    def _point_at_the_exchange(self, settings: Path) -> None:
        written = f'base_url = "{self._exchange.base_url}"'
        settings.write_text(re.sub(r"^(# )?base_url = .*$", written, settings.read_text(), flags=re.MULTILINE))


def to_run(page: Path) -> list[Block]:
    return [block for block in blocks(page) if block.is_run and block.language in ("python", *SHELL)]


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    folder = tmp_path / "home"
    folder.mkdir()
    with SimulatorProcess(["--limits", "15/1s", "6000w/60s"]) as exchange:
        yield Reader(folder, exchange)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in pages() if to_run(page)])
def test_a_page_works_as_it_is_written(page: Path, reader: Reader) -> None:
    for block in to_run(page):
        reader.do(block)
