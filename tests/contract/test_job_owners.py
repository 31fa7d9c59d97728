"""What every store of job owners keeps to, the fake included: `domain.jobs.ports.JobOwners`."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.in_memory import InMemoryJobOwners
from adapters.job_store.ownership_files import OwnershipFiles
from domain.errors import StorageUnavailable
from domain.jobs.ports import JobOwner, JobOwners

HOLD = """
import sys
from pathlib import Path
from adapters.job_store.ownership_files import OwnershipFiles
ownership = OwnershipFiles(Path(sys.argv[1])).claim("job")
ownership.announce("there:1")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=["files", "in memory"])
def owners(request: pytest.FixtureRequest, tmp_path: Path) -> JobOwners:
    return OwnershipFiles(tmp_path) if request.param == "files" else InMemoryJobOwners()


def test_an_ownership_excludes_every_other_until_it_is_released(owners: JobOwners) -> None:
    first = owners.claim("job")
    assert first is not None
    assert owners.claim("job") is None
    assert owners.claim("another job") is not None
    first.release()
    with owners.claim("job") or pytest.fail("the job is free again"):
        assert owners.claim("job") is None


def test_nobody_is_found_before_a_claim_and_after_its_release(owners: JobOwners) -> None:
    assert owners.find("job") is None
    ownership = owners.claim("job")
    assert ownership is not None
    assert owners.find("job") is None, "it does not say yet where"
    assert owners.is_owned("job")
    ownership.announce("here:1")
    found = owners.find("job")
    assert found is not None
    assert found.address == "here:1"
    ownership.release()
    assert owners.find("job") is None
    assert not owners.is_owned("job")


def test_who_looks_for_an_owner_never_keeps_another_from_becoming_it(tmp_path: Path) -> None:
    owners, has_completed = OwnershipFiles(tmp_path), threading.Event()

    def look() -> None:
        while not has_completed.is_set():
            owners.find("job")

    lookers = [threading.Thread(target=look) for _ in range(4)]
    for looker in lookers:
        looker.start()
    try:
        for _ in range(200):
            ownership = owners.claim("job")
            assert ownership is not None, "a look was taken for an owner"
            ownership.release()
    finally:
        has_completed.set()
        for looker in lookers:
            looker.join()


@pytest.mark.parametrize("content", ["", '{"address": "he', "[]", '{"address": "here:1"}', "null"])
def test_a_half_written_address_is_taken_for_none(tmp_path: Path, content: str) -> None:
    ownership = OwnershipFiles(tmp_path).claim("job")
    assert ownership is not None
    (tmp_path / "job.json").write_text(content)
    assert OwnershipFiles(tmp_path).find("job") is None
    ownership.release()


def test_an_ownership_dies_with_its_process(tmp_path: Path) -> None:
    owners = OwnershipFiles(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert owners.find("job") == JobOwner("there:1", holder.pid)
        assert owners.claim("job") is None
        holder.kill()
        holder.wait()
        ownership = owners.claim("job")
        assert ownership is not None
        assert not (tmp_path / "job.json").exists(), "the dead one's address is gone"
        ownership.release()
        assert owners.find("job") is None


def test_a_disk_that_refuses_is_named_with_its_path(tmp_path: Path) -> None:
    ownership = OwnershipFiles(tmp_path).claim("job")
    assert ownership is not None
    (tmp_path / f"job.{os.getpid()}").mkdir()
    with ownership, pytest.raises(StorageUnavailable, match=r"job\.json cannot be used: Is a directory"):
        ownership.announce("here:1")
    (tmp_path / "file").touch()
    claim: Callable[[str], object] = OwnershipFiles(tmp_path / "file").claim
    with pytest.raises(StorageUnavailable, match="file"):
        claim("job")
