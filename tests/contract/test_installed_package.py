"""The package as users get it: built, installed into an environment of its own, and judged by mypy --strict."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]
PACKAGES = ("candle_collector", "domain", "adapters", "actors")
FILES = ("pyproject.toml", "README.md", "LICENSE")

TYPICAL_USE = '''
"""What a quant writes: each line is typed, and no cast is needed."""

from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from candle_collector import (
    CandleReader,
    Candles,
    CollectionService,
    CollectorError,
    CorruptSegment,
    Dataset,
    ExitCode,
    Holding,
    Interval,
    JobStatus,
    Progress,
    Settings,
    TimeSpan,
    progress_line,
    run_driver,
    simulated_exchange,
    summary,
)


def collect() -> Progress:
    with simulated_exchange(["--limits", "15/1s"]) as exchange:
        settings = Settings.from_values(
            {
                "broker": {"gateway": "binance", "base_url": exchange.base_url},
                "job": {"symbols": ["BTCUSDT"], "interval": "1m", "start": "2024-03-01"},
                "storage": {"root": "data"},
            }
        )
        with CollectionService(settings) as service:
            job = service.submit()
            for progress in job.watch():
                line: str = progress_line(progress)
                is_over: bool = progress.status is JobStatus.COMPLETED and progress.symbols_failed == 0
                print(line, is_over)
            running = service.attach(job.job_id)
            if running is not None:
                progress = running.pause()
            lines: list[str] = summary(progress)
            print("\\n".join(lines))
            return progress


def read(root: str) -> NDArray[np.float64]:
    reader = CandleReader(root)
    holdings: list[Holding] = reader.holdings("BTCUSDT")
    ends: list[datetime | None] = [holding.end for holding in holdings]
    dataset: Dataset = reader.datasets("1m")[0]
    minute: bool = dataset.interval == Interval("1m")
    try:
        candles: Candles = reader.candles(dataset, start="2024-03-01")
    except CorruptSegment as error:
        raise SystemExit(f"{error.path}: {error.lost}") from error
    except CollectorError as error:
        raise SystemExit(ExitCode.of(error)) from error
    print(ends, minute, TimeSpan(0, 60_000).duration_ms)
    return candles.close


code: int = run_driver(collect)
'''

WRONG_USES = {
    "Settings.load(3)": "arg-type",
    "CandleReader('data').candles('BTCUSDT', start=3)": "arg-type",
    "CandleReader('data').symbols().upper()": "attr-defined",
    "CollectionService('candles.toml')": "arg-type",
    "ExitCode.of('COMPLETED')": "arg-type",
    "JobStatus.DONE": "attr-defined",
    "run_driver(0)": "arg-type",
}


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the package built from this tree, and the libraries of this one."""
    folder = tmp_path_factory.mktemp("installed")
    source, environment = folder / "source", folder / "environment"
    # A copy: a build leaves folders of its own beside what it builds.
    for name in PACKAGES:
        shutil.copytree(TREE / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(TREE / name, source / name)
    venv.create(environment, with_pip=False, symlinks=True)
    python = environment / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    subprocess.run([*pip, *build], check=True, timeout=100)
    (wheel,) = folder.glob("*.whl")
    into = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "--quiet"]
    subprocess.run([*into, "install", "--no-deps", str(wheel)], check=True, timeout=100)
    asked = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    libraries = Path(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())
    (libraries / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def judge(python: Path, code: str) -> tuple[int, list[str]]:
    """What mypy --strict says of a file with this code, in a folder from which no source of ours is seen."""
    folder = python.parents[2] / "user"
    folder.mkdir(exist_ok=True)
    (folder / "driver.py").write_text(code)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--python-executable", str(python)]
    outside = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MYPYPATH")}
    ended = subprocess.run(
        [*command, "driver.py"], cwd=folder, env=outside, capture_output=True, text=True, timeout=110, check=False
    )
    assert ended.stderr == ""
    return ended.returncode, ended.stdout.splitlines()


def test_typical_use_passes_mypy_strict(python: Path) -> None:
    assert judge(python, TYPICAL_USE) == (0, [])


def test_each_wrong_use_is_found_by_mypy(python: Path) -> None:
    imports = "from candle_collector import CandleReader, CollectionService, ExitCode, JobStatus, Settings, run_driver"
    code, said = judge(python, "\n".join([imports, *WRONG_USES]))
    places = [f"driver.py:{line}" for line in range(2, len(WRONG_USES) + 2)]
    assert code == 1
    assert [line.partition(": ")[0] for line in said if ": error: " in line] == places
    assert [line.rpartition("[")[2].rstrip("]") for line in said if ": error: " in line] == list(WRONG_USES.values())


def test_the_installed_package_reads_candles_without_ray_or_an_http_client(python: Path, tmp_path: Path) -> None:
    code = (
        "import sys, candle_collector; from candle_collector import CandleReader; CandleReader('store').holdings(); "
        "print(candle_collector.__file__, *{'ray', 'aiohttp'} & set(sys.modules))"
    )
    command = [str(python), "-I", "-c", code]
    (printed,) = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.split()
    assert Path(printed).is_relative_to(python.parents[1])
