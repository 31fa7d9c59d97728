"""What every account switch keeps to, the fake included: `domain.limits.operator_pause.OperatorPause`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters.in_memory import InMemoryOperatorPause, InMemoryPermitRecord
from adapters.in_memory.permits import PermitMemory
from adapters.permit_store.operator_pause import OperatorPauseFile
from adapters.permit_store.ownership_files import AccountOwnershipFiles
from adapters.permit_store.record import PermitRecordFile
from domain.errors import StorageUnavailable
from domain.limits.operator_pause import OperatorPause
from domain.limits.ports import PermitRecord
from domain.limits.rates import AccountLimits, RateLimit

LIMITS = AccountLimits("binance", "my/main @ home", (RateLimit.parse("15/1s"),), timeout_seconds=1, abandoned_seconds=1)


@dataclass
class Subject:
    """Makes switches of one account, and the record by which a limiter holds it."""

    switch: Callable[[], OperatorPause]
    record: PermitRecord


@pytest.fixture(params=["InMemoryOperatorPause", "OperatorPauseFile"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    if request.param == "OperatorPauseFile":
        folder = tmp_path / "not yet there"
        owners = AccountOwnershipFiles(folder)
        record: PermitRecord = PermitRecordFile(folder, LIMITS, owners, "a test", "session")
        built = Subject(lambda: OperatorPauseFile(folder, LIMITS.broker, LIMITS.account, owners), record)
    else:
        memory = PermitMemory()
        switch = InMemoryOperatorPause(memory.owners, LIMITS.broker, LIMITS.account)
        built = Subject(lambda: switch, InMemoryPermitRecord(LIMITS, memory))
    yield built
    built.record.close()


def test_an_account_is_not_paused_at_first(subject: Subject) -> None:
    assert not subject.switch().is_paused()


def test_a_pause_holds_for_everybody_who_looks_until_it_is_taken_back(subject: Subject) -> None:
    subject.switch().pause()
    subject.switch().pause()
    assert subject.switch().is_paused()
    subject.switch().resume()
    subject.switch().resume()
    assert not subject.switch().is_paused()


def test_a_limiter_is_found_where_it_was_announced_while_it_has_the_account(subject: Subject) -> None:
    assert subject.switch().limiter_address() is None
    subject.record.open()
    assert subject.switch().limiter_address() is None, "it does not say yet where"
    subject.switch().announce("127.0.0.1:6379")
    subject.switch().announce("127.0.0.1:6380")
    assert subject.switch().limiter_address() == "127.0.0.1:6380"
    subject.record.close()
    assert subject.switch().limiter_address() is None


def test_looking_for_a_limiter_takes_the_account_from_nobody(subject: Subject) -> None:
    subject.record.open()
    subject.record.close()
    subject.switch().limiter_address()
    subject.record.open()
    subject.switch().announce("here")
    assert subject.switch().limiter_address() == "here"


def test_accounts_are_paused_one_by_one(tmp_path: Path) -> None:
    owners = AccountOwnershipFiles(tmp_path)
    OperatorPauseFile(tmp_path, "binance", "a", owners).pause()
    assert not OperatorPauseFile(tmp_path, "binance", "b", owners).is_paused()
    assert not OperatorPauseFile(tmp_path, "kraken", "a", owners).is_paused()


def test_a_pause_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnavailable):
        OperatorPauseFile(tmp_path / "file", "binance", "a", AccountOwnershipFiles(tmp_path / "file")).pause()
