from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from actors.jobs.runners import Runner, Runners
from domain.errors import StorageUnavailable

HOLD = """
import sys
from pathlib import Path
from actors.jobs.runners import Runners
claim = Runners(Path(sys.argv[1])).claim("job")
claim.announce("there:1")
print("held", flush=True)
sys.stdin.read()
"""


def test_a_claim_excludes_every_other_until_it_is_released(tmp_path: Path) -> None:
    first = Runners(tmp_path).claim("job")
    assert first is not None
    assert Runners(tmp_path).claim("job") is None
    assert Runners(tmp_path).claim("another job") is not None
    first.release()
    with Runners(tmp_path).claim("job") or pytest.fail("the job is free again"):
        assert Runners(tmp_path).claim("job") is None


def test_nobody_is_found_before_a_claim_and_after_its_release(tmp_path: Path) -> None:
    runners = Runners(tmp_path)
    assert runners.find("job") is None
    claim = runners.claim("job")
    assert claim is not None
    assert runners.find("job") is None, "it does not say yet where"
    claim.announce("here:1")
    found = runners.find("job")
    assert found is not None
    assert found.address == "here:1"
    claim.release()
    assert runners.find("job") is None


@pytest.mark.parametrize("content", ["", '{"address": "he', "[]", '{"address": "here:1"}', "null"])
def test_a_half_written_address_is_taken_for_none(tmp_path: Path, content: str) -> None:
    claim = Runners(tmp_path).claim("job")
    assert claim is not None
    (tmp_path / "job.json").write_text(content)
    assert Runners(tmp_path).find("job") is None
    claim.release()


def test_a_claim_dies_with_its_process(tmp_path: Path) -> None:
    runners = Runners(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert runners.find("job") == Runner("there:1", holder.pid)
        assert runners.claim("job") is None
        holder.kill()
        holder.wait()
        claim = runners.claim("job")
        assert claim is not None
        assert not (tmp_path / "job.json").exists(), "the dead one's address is gone"
        claim.release()
        assert runners.find("job") is None


def test_a_disk_that_refuses_is_named_with_its_path(tmp_path: Path) -> None:
    claim = Runners(tmp_path).claim("job")
    assert claim is not None
    (tmp_path / f"job.{os.getpid()}").mkdir()
    with claim, pytest.raises(StorageUnavailable, match=r"job\.json cannot be used: Is a directory"):
        claim.announce("here:1")
    (tmp_path / "file").touch()
    with pytest.raises(StorageUnavailable, match="file/job"):
        Runners(tmp_path / "file").claim("job")
