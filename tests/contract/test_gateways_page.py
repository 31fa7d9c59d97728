"""docs/gateways.md, tested: the gateway that it shows passes the suite that it shows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pages import TREE, write_files


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The worked example as a stranger would have it: a folder of its own."""
    write_files("gateways.md", tmp_path)
    return tmp_path


def run_tests(package: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(TREE)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_toy_gateway.py"]
    return subprocess.run(command, cwd=package, env=environment, capture_output=True, text=True, check=False)


def test_the_worked_example_passes_the_suite(package: Path) -> None:
    ended = run_tests(package)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "12 passed" in ended.stdout


def test_the_worked_example_without_its_cut_is_caught(package: Path) -> None:
    gateway = package / "toy_gateway.py"
    text = gateway.read_text()
    assert "if len(rows) < MOST_ROWS:" in text
    gateway.write_text(text.replace("if len(rows) < MOST_ROWS:", "if len(rows) >= 0:"))
    ended = run_tests(package)
    assert ended.returncode == 1
    assert "a short response is not the end" in ended.stdout
