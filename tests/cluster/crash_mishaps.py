"""Trouble of the machine that a job runs on: a full disk, a store locked by another program, a clock set back."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.crash_matrix import TrialRun

AN_HOUR_SECONDS = 3600
DISK_MIB = 8
_CHUNKS_BYTES = (65_536, 4_096, 512)

_CLOCK = """
import os, time
_time, _time_ns = time.time, time.time_ns
def _offset_seconds():
    try:
        with open(os.environ["CLOCK_OFFSET_FILE"]) as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0
time.time = lambda: _time() + _offset_seconds()
time.time_ns = lambda: _time_ns() + _offset_seconds() * 10**9
"""
"""Python runs a `sitecustomize` on its path before anything else, in Ray's processes too: a wall clock to be set."""


class NotPermitted(Exception):
    """This machine does not let its user do that."""


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """The folder as a file system of its own, of a few MiB. Raises NotPermitted where mounting is."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "candles-small-disk", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise NotPermitted(str(error)) from error
    if mounted.returncode:
        raise NotPermitted(mounted.stderr.strip())
    try:
        yield
    finally:
        # A kept cluster's limiter outlives the run, with its record open: the disk goes when that does.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@dataclass(frozen=True)
class FillDisk:
    """Fill a folder's disk until the run has ended and another has been refused; then make room again."""

    after_requests: int
    folder: str = "data"
    leaves_bytes: int = 0

    def happen(self, run: TrialRun) -> None:
        """Check that the job stops, says what is full, and loses nothing that is stored."""
        if not run.reaches(self.after_requests):
            return
        ballast = run.folder / self.folder / "ballast"
        _fill(ballast, self.leaves_bytes)
        said = run.driver.wait()
        assert run.driver.is_completed or "No space left" in said or "full" in said, said
        if not run.driver.is_completed:
            run.driver.be_running()
            again = run.driver.wait()
            assert "Traceback" not in again, again
            assert not run.driver.is_completed, again
        ballast.unlink()


@dataclass(frozen=True)
class LockStore:
    """Another program's transaction blocks every write to the event store for a while."""

    after_requests: int
    seconds: float
    is_interrupted: bool = False
    """Whether somebody presses Ctrl-C meanwhile: the run ends although PAUSED cannot be stored."""

    def happen(self, run: TrialRun) -> None:
        """Lock, wait, let go."""
        if not run.reaches(self.after_requests):
            return
        with closing(sqlite3.connect(run.root / "jobs.sqlite", isolation_level=None)) as stranger:
            stranger.execute("BEGIN IMMEDIATE")
            if self.is_interrupted:
                run.driver.interrupt()
                said = run.driver.wait()
                assert "Traceback" not in said, said
                assert "locked" in said, said
            else:
                time.sleep(self.seconds)
            stranger.execute("ROLLBACK")


@dataclass(frozen=True)
class SetClockBack:
    """The wall clock goes back an hour for every process of the job, between a pause and its resume if wanted."""

    after_requests: int
    is_paused: bool = False

    def happen(self, run: TrialRun) -> None:
        """Set it back by one hour more; a resume then is obeyed, and seen through to COMPLETED."""
        if not run.reaches(self.after_requests):
            return
        while self.is_paused and run.driver.command("pause", "binance").returncode != 0:
            # A driver that was killed just now has to be back before anybody can order it about.
            if not run.reaches(self.after_requests):
                return
        set_back(run)
        if self.is_paused:
            resumed = run.driver.command("resume", "binance")
            assert resumed.returncode == 0 or "COMPLETED" in resumed.stderr, resumed


def with_a_clock(run: TrialRun) -> None:
    """Give the run's processes a wall clock that can be set."""
    folder = run.folder / "clock"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_CLOCK)
    run.driver.environment |= {"PYTHONPATH": str(folder), "CLOCK_OFFSET_FILE": str(folder / "offset_seconds")}


def set_back(run: TrialRun) -> None:
    """One hour more."""
    path = Path(run.driver.environment["CLOCK_OFFSET_FILE"])
    before = int(path.read_text()) if path.exists() else 0
    new = path.with_suffix(".new")
    new.write_text(str(before - AN_HOUR_SECONDS))
    new.replace(path)


def clock_went_back(run: TrialRun) -> bool:
    """Whether the job's events show that the clock was set back."""
    shown = json.loads(run.driver.command("history", "binance", "--json").stdout)
    moments = [event["timestamp"] for event in shown["events"]]
    return moments != sorted(moments)


def _fill(ballast: Path, leaves_bytes: int) -> None:
    """Take all the room there is, then free so much."""
    with ballast.open("wb", buffering=0) as file:
        for chunk_bytes in _CHUNKS_BYTES:
            try:
                while True:
                    file.write(bytes(chunk_bytes))
            except OSError:
                continue
        os.truncate(ballast, max(0, file.tell() - leaves_bytes))
