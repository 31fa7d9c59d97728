"""ArcticDB in a process and a virtual environment of its own: its protobuf does not work with Ray's dashboard.

Run as a script by that environment's Python, it imports nothing of this project: bars in as .npz, seconds out as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

VERSION = "6.28.2"
SETUP_TIMEOUT_SECONDS = 300


class NoArctic(Exception):
    """The environment could not be made; the message says why."""


def environment(folder: Path) -> Path:
    """The Python of an environment with ArcticDB, which is made there if necessary. Raises NoArctic."""
    python = folder / "bin" / "python"
    try:
        if not (folder / "complete").exists():
            venv.create(folder, with_pip=True, clear=True)
            wanted = [f"arcticdb=={VERSION}", "pytz"]
            command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
            subprocess.run(command, check=True, capture_output=True, timeout=SETUP_TIMEOUT_SECONDS)
            (folder / "complete").touch()
    except (OSError, subprocess.SubprocessError) as error:
        raise NoArctic(f"an environment with arcticdb {VERSION} could not be made in {folder}: {error}") from error
    return python


def measured(python: Path, bars: Path, page: int, rounds: int) -> dict[str, Any]:
    """Run `main` in a process of its own; returns what it printed. Raises NoArctic."""
    command = [python, Path(__file__), bars, str(page), str(rounds)]
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=SETUP_TIMEOUT_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        raise NoArctic(f"arcticdb did not run: {error}") from error
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main(bars: Path, page: int, rounds: int) -> None:
    """Print bytes for each set of bars, and the least seconds of each step."""
    import numpy

    sets: dict[str, dict[str, Any]] = {}
    with numpy.load(bars) as arrays:
        for key in arrays.files:
            name, _, column = key.partition("/")
            sets.setdefault(name, {})[column] = arrays[key]
    written, month, day = (_frame(sets.pop(name)) for name in ("written", "month", "day"))
    sizes = {name: _size(_frame(columns)) for name, columns in sets.items()}
    pages = [month[first : first + page] for first in range(0, len(month), page)]
    seconds = [_seconds(written, pages, day) for _ in range(rounds)]
    print(json.dumps({"bytes": sizes, "seconds": {step: min(one[step] for one in seconds) for step in seconds[0]}}))


def _frame(columns: dict[str, Any]) -> Any:
    import pandas

    times = pandas.DatetimeIndex(columns["open_time_ms"].view("datetime64[ms]").astype("datetime64[ns]"))
    return pandas.DataFrame({name: column for name, column in columns.items() if name != "open_time_ms"}, index=times)


def _library(folder: str) -> Any:
    import arcticdb

    return arcticdb.Arctic(f"lmdb://{folder}").get_library("candles", create_if_missing=True)


def _size(frame: Any) -> int:
    with tempfile.TemporaryDirectory() as folder:
        _library(folder).write("candles", frame)
        # LMDB maps the file at its largest size: only the blocks that it has used count.
        return sum(path.stat().st_blocks * 512 for path in Path(folder).rglob("*") if path.is_file())


def _seconds(frame: Any, pages: list[Any], day: Any) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        library = _library(folder)
        written = _timed(lambda: library.write("candles", frame))
        appended = _timed(lambda: [library.append("candles", page) for page in pages]) / len(pages)
        updated = _timed(lambda: library.update("candles", day))
        read = _timed(lambda: library.read("candles").data)
    return {"write": written, "append": appended, "upsert": updated, "read": read}


def _timed(call: Any) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
