"""What only a permit log on a disk can meet: packing, retention, damage, reboots, full disks."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from adapters.boot_clock import boot_seconds
from adapters.permit_store import log as permit_log
from adapters.permit_store.log import PermitLogFile
from adapters.permit_store.log_reader import read_audit_history
from domain.limits.audit import AuditHistory, Ending, audit
from domain.limits.ledger import GrantedPermit
from domain.limits.messages import Outcome
from domain.limits.ports import RecordedPermits
from domain.limits.rates import RateLimit
from tests.contract.test_permit_logs import NOTHING, completed, permit, recorded

JOB = "a job"
LIMITS = (RateLimit.parse("15/1s"),)


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> int:
    entries = 40
    monkeypatch.setattr(permit_log, "ENTRIES_BEFORE_PACKING", entries)
    return entries


def opened(folder: Path, known: RecordedPermits = NOTHING, boot: str = "this boot", **more: float) -> PermitLogFile:
    log = PermitLogFile(folder, "binance", "default", boot, **more)  # type: ignore[arg-type]
    log.open(known, boot_seconds())
    log.note_limits(LIMITS, boot_seconds() - 1000)
    return log


def trail_of(folder: Path) -> AuditHistory:
    return read_audit_history(folder, "binance", "default")


def filled(folder: Path, permits: int, **more: float) -> list[GrantedPermit]:
    """A log with so many permits, each granted and answered, the last of them granted only."""
    log = opened(folder, **more)
    begin = boot_seconds() - 15
    moments = [begin + 14 * number / permits for number in range(permits)]
    granted = [GrantedPermit(str(number), 2, moment, moment + 22.0) for number, moment in enumerate(moments)]
    for number, one in enumerate(granted):
        log.granted(JOB, [one])
        if number:
            log.completed(completed(granted[number - 1], 0.05), Outcome.ANSWERED, boot_seconds())
    log.close()
    return granted


def packed_files(folder: Path) -> list[Path]:
    return sorted((folder / "binance@default.trails").iterdir())


def test_many_permits_are_packed_and_none_is_lost_or_doubled(tmp_path: Path, small_files: int) -> None:
    granted = filled(tmp_path, permits=10 * small_files)
    assert len(packed_files(tmp_path)) > 10
    history = trail_of(tmp_path)
    assert len(history) == len(granted)
    assert np.allclose(np.diff(history.granted_seconds), 14 / len(granted), atol=1e-3)
    assert (history.ending[:-1] == Ending.ANSWERED).all()
    assert audit(history, JOB).evidence_gaps == ()


def test_packed_permits_take_few_bytes_and_moments_keep_their_microsecond(tmp_path: Path) -> None:
    granted = filled(tmp_path, permits=30_000)
    opened(tmp_path, boot="the next boot").close()
    assert sum(file.stat().st_size for file in packed_files(tmp_path)) < 10 * len(granted)
    wall = time.time() - boot_seconds()
    history = trail_of(tmp_path)
    moments = np.array([one.granted_at for one in granted])
    assert np.ptp(history.granted_seconds - moments) < 2e-6
    assert abs((history.granted_seconds - moments)[0] - wall) < 2.0


def test_a_crash_between_packing_and_the_new_file_leaves_every_permit_once(tmp_path: Path, small_files: int) -> None:
    granted = filled(tmp_path, permits=small_files // 2)
    newest = tmp_path / "binance@default.log"
    before = newest.read_bytes()
    opened(tmp_path, recorded(granted[-1])).close()
    assert len(packed_files(tmp_path)) == 1
    newest.write_bytes(before)
    assert len(trail_of(tmp_path)) == len(granted)
    opened(tmp_path, recorded(granted[-1])).close()
    assert len(trail_of(tmp_path)) == len(granted)


def test_the_oldest_go_when_there_is_too_much_and_the_audit_says_so(tmp_path: Path, small_files: int) -> None:
    began = time.time() - 600
    filled(tmp_path, permits=10 * small_files, kept_bytes=2_000)
    space = sum(file.stat().st_size for file in packed_files(tmp_path))
    assert space <= 2_000
    history = trail_of(tmp_path)
    assert 0 < len(history) < 10 * small_files
    assert "begins later" in audit(history, JOB, began_seconds=began).evidence_gaps[0]
    assert audit(history, JOB).evidence_gaps == (), "a job that began after that is none the worse"


def test_what_is_too_old_goes_too(tmp_path: Path, small_files: int) -> None:
    filled(tmp_path, permits=3 * small_files, kept_days=-1.0)
    assert packed_files(tmp_path) == []


def test_permits_of_before_the_reboot_are_over_and_the_next_ones_stand_after_them(tmp_path: Path) -> None:
    filled(tmp_path, permits=5)
    log = PermitLogFile(tmp_path, "binance", "default", "the next boot")
    log.open(NOTHING, now=30.0)
    log.note_limits(LIMITS, 30.0)
    log.granted(JOB, [GrantedPermit("first of this boot", 1, 31.0, 53.0)])
    history = trail_of(tmp_path)
    assert len(history) == 6
    assert history.granted_seconds[-1] == pytest.approx(time.time() + 1, abs=5)
    assert history.ending.tolist() == [Ending.ANSWERED] * 4 + [Ending.BOUND] * 2


def test_a_wall_clock_that_is_set_back_moves_no_permit_against_another(tmp_path: Path) -> None:
    before, after = permit("before", 9), permit("after", 1)
    opened(tmp_path).granted(JOB, [before])
    log = PermitLogFile(tmp_path, "binance", "default", "this boot", wall_clock=lambda: time.time() - 7200)
    log.open(recorded(before), boot_seconds())
    log.granted(JOB, [after])
    moments = trail_of(tmp_path).granted_seconds
    assert moments[1] - moments[0] == pytest.approx(after.granted_at - before.granted_at, abs=1e-4)


def flip(data: bytes) -> bytes:
    return data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]


@pytest.mark.parametrize("damage", [flip, lambda data: data[:-3], lambda data: b"rubbish"])
def test_a_damaged_log_is_continued_and_leaves_an_evidence_gap(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    granted = filled(tmp_path, permits=20)
    newest = tmp_path / "binance@default.log"
    newest.write_bytes(damage(newest.read_bytes()))
    log = opened(tmp_path, recorded(granted[-1]))
    log.granted(JOB, [permit("after the damage")])
    verdict = audit(trail_of(tmp_path), JOB, began_seconds=time.time() - 510)
    assert any("damaged" in gap for gap in verdict.evidence_gaps)


def test_a_damaged_packed_file_is_an_evidence_gap_for_the_jobs_of_its_time_only(
    tmp_path: Path, small_files: int
) -> None:
    filled(tmp_path, permits=5 * small_files)
    damaged = packed_files(tmp_path)[1]
    damaged.write_bytes(flip(damaged.read_bytes()))
    assert damaged.name in audit(trail_of(tmp_path), JOB).evidence_gaps[0]
    log = opened(tmp_path)
    log.granted("a later job", [permit("1")])
    assert audit(trail_of(tmp_path), "a later job").evidence_gaps == ()


def test_permits_that_only_the_record_knows_are_taken_over_from_it(tmp_path: Path) -> None:
    logged, unlogged = permit("1", 9), (permit("2", 5), completed(permit("3", 4), 0.5))
    opened(tmp_path).granted(JOB, [logged])
    successor = opened(tmp_path, recorded(logged, *unlogged))
    successor.granted(JOB, [permit("4", 0)])
    history = trail_of(tmp_path)
    assert len(history) == 4
    assert "of 2 permits it is not known which job" in audit(history, JOB).evidence_gaps[0]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the device that is always full is Linux's")
def test_a_full_disk_stops_no_grant_and_the_log_catches_up_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = opened(tmp_path)
    log.granted(JOB, [permit("before", 3)])
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, log._file)
    log.granted(JOB, [permit("meanwhile", 2)])
    assert len(trail_of(tmp_path)) == 1
    monkeypatch.setattr(permit_log, "PATIENCE_SECONDS", 0.0)
    log.granted(JOB, [permit("too soon to try again", 1)])
    assert len(trail_of(tmp_path)) == 1
    log.completed(completed(permit("meanwhile", 2), 1.0), Outcome.ANSWERED, boot_seconds() + 10)
    assert len(trail_of(tmp_path)) == 3
    os.close(full)


def test_a_log_folder_that_cannot_be_written_stops_no_grant(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    log = PermitLogFile(tmp_path / "file" / "folder", "binance", "default", "this boot")
    log.open(NOTHING, boot_seconds())
    log.granted(JOB, [permit("1")])
    log.close()


def test_an_account_without_requests_has_an_empty_history(tmp_path: Path) -> None:
    assert len(trail_of(tmp_path)) == 0
