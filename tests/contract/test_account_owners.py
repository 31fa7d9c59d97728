"""What every store of account owners keeps to, the fake included: `domain.limits.ports.AccountOwners`."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from adapters.in_memory import InMemoryAccountOwners
from adapters.permit_store.ownership_files import AccountOwnershipFiles
from domain.errors import StorageUnavailable
from domain.limits.ports import AccountOwners

HOLD = """
import sys
from pathlib import Path
from adapters.permit_store.ownership_files import AccountOwnershipFiles
ownership = AccountOwnershipFiles(Path(sys.argv[1])).claim("binance", "main", "the other run")
print("held", flush=True)
sys.stdin.read()
"""


def owner_files(folder: Path) -> AccountOwnershipFiles:
    return AccountOwnershipFiles(folder, patience_seconds=0.2)


@pytest.fixture(params=["files", "in memory"])
def owners(request: pytest.FixtureRequest, tmp_path: Path) -> AccountOwners:
    return owner_files(tmp_path / "not yet there") if request.param == "files" else InMemoryAccountOwners()


def test_an_account_has_one_owner_until_it_is_released(owners: AccountOwners) -> None:
    first = owners.claim("binance", "main", "the first run")
    assert first is not None
    assert owners.claim("binance", "main", "the second run") is None
    assert owners.find("binance", "main") == "the first run"
    first.release()
    second = owners.claim("binance", "main", "the second run")
    assert second is not None
    assert owners.find("binance", "main") == "the second run"


def test_nobody_is_found_before_a_claim_and_after_its_release(owners: AccountOwners) -> None:
    assert owners.find("binance", "main") is None
    ownership = owners.claim("binance", "main", "a run")
    assert ownership is not None
    ownership.release()
    assert owners.find("binance", "main") is None


def test_a_second_release_takes_the_account_from_nobody(owners: AccountOwners) -> None:
    first = owners.claim("binance", "main", "the first run")
    assert first is not None
    first.release()
    second = owners.claim("binance", "main", "the second run")
    assert second is not None
    first.release()
    assert owners.find("binance", "main") == "the second run"
    assert owners.claim("binance", "main", "the third run") is None


def test_accounts_whose_names_run_together_are_owned_one_by_one(owners: AccountOwners) -> None:
    accounts = [("a", "b@c"), ("a@b", "c"), ("a", "b/c"), ("a", "b.c"), ("a/b", "c")]
    held = [owners.claim(broker, account, f"{broker} {account}") for broker, account in accounts]
    assert None not in held
    assert [owners.find(broker, account) for broker, account in accounts] == [f"{b} {a}" for b, a in accounts]


def test_who_was_killed_in_memory_releases_nothing_any_more() -> None:
    owners = InMemoryAccountOwners()
    dead = owners.claim("binance", "main", "the dead")
    assert dead is not None
    owners.kill_holders()
    assert owners.claim("binance", "main", "the living") is not None
    dead.release()
    assert owners.find("binance", "main") == "the living"


def test_an_ownership_dies_with_its_process(tmp_path: Path) -> None:
    owners = owner_files(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert owners.find("binance", "main") == "the other run"
        assert owners.claim("binance", "main", "this run") is None
        holder.kill()
        holder.wait()
    assert owners.find("binance", "main") is None
    ownership = owners.claim("binance", "main", "this run")
    assert ownership is not None
    assert owners.find("binance", "main") == "this run"


def test_who_looks_for_an_owner_never_keeps_another_from_becoming_it(tmp_path: Path) -> None:
    owners, has_completed = owner_files(tmp_path), threading.Event()

    def look() -> None:
        while not has_completed.is_set():
            owners.find("binance", "main")

    lookers = [threading.Thread(target=look) for _ in range(4)]
    for looker in lookers:
        looker.start()
    try:
        for _ in range(100):
            ownership = owners.claim("binance", "main", "a run")
            assert ownership is not None, "a look was taken for an owner"
            ownership.release()
    finally:
        has_completed.set()
        for looker in lookers:
            looker.join()


def test_a_program_of_an_earlier_version_and_this_one_exclude_each_other(tmp_path: Path) -> None:
    """It took a flock on `BROKER@ACCOUNT.lock` and wrote its name into `BROKER@ACCOUNT.holder`."""
    owners = owner_files(tmp_path)
    (tmp_path / "binance@my%20main.holder").write_text(json.dumps({"holder": "an older run", "since": 1.5}))
    with (tmp_path / "binance@my%20main.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert owners.claim("binance", "my main", "this run") is None
        assert owners.find("binance", "my main") == "an older run"
    ownership = owners.claim("binance", "my main", "this run")
    assert ownership is not None
    assert json.loads((tmp_path / "binance@my%20main.holder").read_text())["holder"] == "this run"
    with (tmp_path / "binance@my%20main.lock").open("w") as lock, pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize("content", ["", '{"holder": "he', "[]", "null", "{}", "\xff"])
def test_a_holder_whose_name_cannot_be_read_holds_the_account_all_the_same(tmp_path: Path, content: str) -> None:
    owners = owner_files(tmp_path)
    ownership = owners.claim("binance", "main", "a run")
    assert ownership is not None
    (tmp_path / "binance@main.holder").write_text(content, encoding="latin-1")
    assert owners.find("binance", "main") == "another process"


def test_a_claim_whose_name_cannot_be_written_leaves_the_account_free(tmp_path: Path) -> None:
    owners = owner_files(tmp_path)
    (tmp_path / "binance@main.holder").mkdir()
    with pytest.raises(StorageUnavailable, match=r"main\.holder cannot be used: Is a directory"):
        owners.claim("binance", "main", "a run")
    (tmp_path / "binance@main.holder").rmdir()
    assert owners.find("binance", "main") is None
    assert owners.claim("binance", "main", "a run") is not None
