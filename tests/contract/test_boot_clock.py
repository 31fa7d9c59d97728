"""The clock of permits goes on while the machine sleeps, and its record is told from one of the earlier clock."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import pytest

from adapters import boot_clock
from adapters.boot_clock import boot_identity, boot_seconds, monotonic_identity
from tests.contract.permit_record_examples import FLIGHT_SECONDS, file_record, permit

TREE = Path(__file__).resolve().parents[2]
COUNT_OR_HOLD_PERMITS = (
    "actors/limiter/*.py",
    "actors/rate_limiter.py",
    "actors/cluster/builders.py",
    "actors/cluster/handles.py",
    "actors/cluster/job_actors.py",
    "actors/wiring.py",
    "actors/collecting/permit_*.py",
    "adapters/permit_store/*.py",
)

needs_boottime = pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="this platform has no such clock")


@needs_boottime
def test_the_time_a_machine_slept_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    slept_seconds = 3600.0
    awake = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert awake <= boot_seconds() <= awake + 1.0
    clocks = {time.CLOCK_BOOTTIME: awake + slept_seconds}
    monkeypatch.setattr(time, "clock_gettime", clocks.__getitem__)
    assert boot_seconds() == awake + slept_seconds


def test_where_there_is_no_such_clock_the_monotonic_one_has_to_do_under_its_own_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(boot_clock, "_BOOTTIME", None)
    assert time.monotonic() - 1.0 <= boot_seconds() <= time.monotonic()
    assert boot_identity() == monotonic_identity() != ""


def test_one_boot_has_one_identity() -> None:
    assert boot_identity() == boot_identity() != ""


@needs_boottime
def test_a_record_of_the_clock_that_stands_still_in_sleep_is_not_read_as_one_of_boot_time(tmp_path: Path) -> None:
    earlier = file_record(tmp_path, boot=monotonic_identity())
    earlier.open()
    earlier.granted([permit("of an earlier version")])
    earlier.close()
    before = boot_seconds()
    known = file_record(tmp_path).open()
    assert known.permits == ()
    assert known.complete_since >= before + FLIGHT_SECONDS
    assert "of an earlier version, whose clock stood still while the machine slept: waiting until" in known.note


def test_nobody_who_counts_or_holds_permits_reads_a_clock_that_stands_still_in_sleep() -> None:
    sources = [path for pattern in COUNT_OR_HOLD_PERMITS for path in TREE.glob(pattern)]
    assert len(sources) > 20
    reads = [
        f"{path.relative_to(TREE)}:{node.lineno} {ast.unparse(node)}"
        for path in sources
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and (node.attr == "monotonic" or (node.attr == "time" and "loop" in ast.unparse(node.value)))
    ]
    assert reads == []
