"""What only a permit record on a disk can meet: killed processes, damage, reboots, full disks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.boot_clock import boot_seconds
from adapters.permit_store import history as permit_history
from adapters.permit_store.history import KEPT_SECONDS
from adapters.permit_store.ownership_files import AccountOwnershipFiles
from adapters.permit_store.record import FRAMES_BEFORE_COMPACTION, PermitRecordFile
from domain.errors import LimiterUnavailable, StorageUnavailable
from domain.limits.ledger import GrantedPermit
from domain.limits.rates import AccountLimits
from tests.contract.permit_record_examples import FLIGHT_SECONDS, LIMITS, ended, file_record, permit

TREE = Path(__file__).resolve().parents[2]


def test_permits_granted_by_a_killed_process_are_kept_and_its_account_is_free(tmp_path: Path) -> None:
    script = """
import sys, time
from pathlib import Path
from tests.contract.permit_record_examples import file_record, permit
record = file_record(Path(sys.argv[1]), holder="the killed run")
record.open()
for number in range(100):
    record.granted([permit(f"permit {number}")])
    print(number, flush=True)
time.sleep(60)
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(
        command, cwd=TREE, env={**os.environ, "PYTHONPATH": str(TREE)}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        handed_out = [next(process.stdout).strip() for _ in range(60)]
        with pytest.raises(LimiterUnavailable, match="in use by the killed run"):
            file_record(tmp_path).open()
        process.send_signal(signal.SIGKILL)
    known = file_record(tmp_path).open()
    assert {f"permit {number}" for number in handed_out} <= {each.permit_id for each in known.permits}
    assert known.complete_since == float("-inf"), "nothing is missing, so there is nothing to wait for"


def filled(folder: Path, permits: int = 20) -> Path:
    record = file_record(folder)
    record.open()
    for number in range(permits):
        record.granted([permit(str(number))])
    record.cool_down(boot_seconds() + 500)
    record.close()
    return folder / "binance@default.permits"


def flip(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[:-3], id="torn tail"),
        pytest.param(flip, id="flipped bit"),
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: data + b"\0" * 64, id="zeros appended"),
        pytest.param(lambda data: b"\xff" * 100, id="rubbish"),
    ],
)
def test_a_damaged_record_is_not_trusted_and_says_so(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = filled(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    before = boot_seconds()
    record = file_record(tmp_path)
    known = record.open()
    assert before + FLIGHT_SECONDS <= known.complete_since <= boot_seconds() + FLIGHT_SECONDS
    assert "waiting until nothing sent before can count" in known.note
    record.close()
    assert file_record(tmp_path).open().complete_since == known.complete_since, "a restart does not shorten the wait"


def test_a_torn_record_still_tells_what_can_be_read(tmp_path: Path) -> None:
    path = filled(tmp_path)
    record = file_record(tmp_path)
    cooldown_until = record.open().cooldown_until
    record.close()
    with path.open("ab") as file:
        file.write(b"\x00\x00")
    torn = file_record(tmp_path).open()
    assert torn.cooldown_until == cooldown_until
    assert len(torn.permits) == 20


def test_every_damaged_byte_is_noticed(tmp_path: Path) -> None:
    path = filled(tmp_path, permits=2)
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x40]) + whole[place + 1 :])
        record = file_record(tmp_path)
        assert record.open().complete_since > boot_seconds(), f"byte {place}"
        record.close()


def test_a_record_that_is_missing_although_the_account_is_known_is_not_trusted(tmp_path: Path) -> None:
    filled(tmp_path).unlink()
    known = file_record(tmp_path).open()
    assert known.complete_since > boot_seconds() + FLIGHT_SECONDS - 5
    assert "missing" in known.note


def test_a_record_of_another_boot_may_be_of_another_machine_that_stopped_a_moment_ago(tmp_path: Path) -> None:
    filled(tmp_path)
    before = boot_seconds()
    known = file_record(tmp_path, boot="another boot").open()
    assert known.permits == ()
    assert known.complete_since >= before + FLIGHT_SECONDS
    assert "before the machine started, or of another machine: waiting until" in known.note


@pytest.mark.parametrize("boot", [None, "another boot"])
def test_what_is_not_known_of_a_run_with_longer_timeouts_is_waited_out_by_those(
    tmp_path: Path, boot: str | None
) -> None:
    record = file_record(tmp_path)
    record.open()
    granted_at = boot_seconds()
    record.granted([GrantedPermit("patient", 2, granted_at, granted_at + 500.0)])
    record.granted([permit("quick")])
    record.close()
    path = tmp_path / "binance@default.permits"
    path.write_bytes(path.read_bytes()[:-1])
    known = file_record(tmp_path, boot=boot).open()
    assert known.complete_since >= granted_at + 500.0


def test_accounts_whose_names_run_together_have_a_record_each(tmp_path: Path) -> None:
    for broker, account in (("a", "b@c"), ("a@b", "c"), ("a", "b/c"), ("a", "b.c")):
        limits = AccountLimits(broker, account, LIMITS.limits, 10, 5)
        known = PermitRecordFile(tmp_path, limits, AccountOwnershipFiles(tmp_path), "run", "one").open()
        assert "first time" in known.note, (broker, account)


def test_thousands_of_permits_are_compacted_and_what_counts_is_kept(tmp_path: Path) -> None:
    record = file_record(tmp_path)
    record.open()
    now = boot_seconds()
    until = now + 500
    record.cool_down(until)
    record.agree(LIMITS)
    long_ago = now - KEPT_SECONDS - 100
    lost = permit("never heard of again", long_ago)
    record.granted([lost])
    for number in range(3 * FRAMES_BEFORE_COMPACTION):
        old = permit(f"old {number}", long_ago)
        record.granted([old])
        record.completed(ended(old, long_ago + 1))
    fresh = [permit(f"fresh {number}", now) for number in range(50)]
    for each in fresh:
        record.granted([each])
    record.completed(ended(fresh[0], now + 1))
    record.close()
    assert (tmp_path / "binance@default.permits").stat().st_size < 200 * FRAMES_BEFORE_COMPACTION
    known = file_record(tmp_path).open()
    assert {ended(fresh[0], now + 1), *fresh[1:]} == set(known.permits)
    assert lost.completed_at <= known.complete_since < now, "what was dropped is owned up to"
    assert known.cooldown_until == until
    assert known.agreed == LIMITS


def test_a_fast_account_keeps_what_counts_and_reports_what_it_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(permit_history, "KEPT_PERMITS", 100)
    record = file_record(tmp_path)
    record.open()
    now = boot_seconds()
    granted = [permit(str(number), now - 60 + number / 10) for number in range(600)]
    for each in granted:
        record.granted([each])
        record.completed(ended(each, each.granted_at + 0.05))
    record.close()
    known = file_record(tmp_path).open()
    assert {each.permit_id for each in known.permits} == {each.permit_id for each in granted[-100:]}
    assert granted[-101].granted_at < known.complete_since < now - 2, "a run with the same windows waits for nothing"


def test_a_folder_that_cannot_be_written_grants_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LimiterUnavailable, match="no permit is granted without its record"):
        file_record(tmp_path / "file" / "folder").open()


def test_an_account_is_free_again_when_its_record_could_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "binance@default.permits").mkdir()
    with pytest.raises(LimiterUnavailable, match="no permit is granted"):
        file_record(tmp_path).open()
    (tmp_path / "binance@default.permits").rmdir()
    file_record(tmp_path, holder="the second run").open()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the device that is always full is Linux's")
def test_a_full_disk_takes_no_permit_and_a_disk_with_room_again_has_everything_else(tmp_path: Path) -> None:
    record = file_record(tmp_path)
    record.open()
    record.granted([permit("before")])
    with FullDisk(record):
        with pytest.raises(StorageUnavailable, match="No space left"):
            record.granted([permit("not granted")])
        assert {each.permit_id for each in record.known().permits} == {"before"}
    record.granted([permit("after")])
    record.close()
    known = file_record(tmp_path).open()
    assert {each.permit_id for each in known.permits} == {"before", "after"}
    assert known.complete_since == float("-inf")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the device that is always full is Linux's")
def test_a_cooldown_whose_end_a_full_disk_does_not_take_is_there_after_a_restart(tmp_path: Path) -> None:
    record = file_record(tmp_path)
    record.open()
    until = boot_seconds() + 500
    record.cool_down(until)
    with FullDisk(record), pytest.raises(StorageUnavailable, match="No space left"):
        record.end_cooldown(boot_seconds())
    record.granted([permit("after")])
    record.close()
    assert file_record(tmp_path).open().cooldown_until == until


class FullDisk:
    """Puts the device that is always full in place of the record's open file."""

    def __init__(self, record: PermitRecordFile) -> None:
        self.descriptor = record._file

    def __enter__(self) -> None:
        self.real = os.dup(self.descriptor)
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, self.descriptor)
        os.close(full)

    def __exit__(self, *_: object) -> None:
        os.dup2(self.real, self.descriptor)
        os.close(self.real)
