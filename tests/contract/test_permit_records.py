"""What every permit record keeps to: `domain.limits.ports.PermitRecord`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.boot_clock import boot_seconds
from adapters.in_memory.permits import InMemoryPermitRecord, PermitMemory
from domain.errors import LimiterUnavailable, StorageUnavailable
from domain.limits.ports import PermitRecord
from tests.contract.permit_record_examples import FRACTIONAL, LIMITS, ended, file_record, permit

MakeRecord = Callable[..., PermitRecord]


@pytest.fixture(params=["file", "memory"])
def make_record(request: pytest.FixtureRequest, tmp_path: Path) -> MakeRecord:
    memory = PermitMemory()

    def build(holder: str = "the first run", session: str = "one") -> PermitRecord:
        if request.param == "file":
            return file_record(tmp_path, holder, session)
        return InMemoryPermitRecord(LIMITS, memory, holder, session)

    return build


def test_the_first_use_waits_for_nothing(make_record: MakeRecord) -> None:
    known = make_record().open()
    assert (known.permits, known.cooldown_until, known.complete_since) == ((), float("-inf"), float("-inf"))
    assert known.agreed is None
    assert known.note


def test_what_was_noted_is_known_at_once_and_to_the_next_record(make_record: MakeRecord) -> None:
    record = make_record()
    record.open()
    granted, completed, release = permit("lent"), permit("over"), permit("void")
    for each in (granted, completed, release):
        record.granted([each])
    completed = ended(completed, completed.granted_at + 0.5)
    record.completed(completed)
    record.release("void")
    record.release("never heard of")
    until = boot_seconds() + 60
    record.cool_down(until)
    record.cool_down(until - 30)
    known = record.known()
    assert set(known.permits) == {granted, completed}
    assert known.cooldown_until == until
    record.close()
    again = make_record().open()
    assert set(again.permits) == {granted, completed}
    assert again.cooldown_until == until


def test_a_cooldown_that_an_operator_ended_does_not_come_back_and_a_later_one_counts(make_record: MakeRecord) -> None:
    record = make_record()
    record.open()
    now = boot_seconds()
    record.cool_down(now + 3600)
    record.end_cooldown(now)
    assert record.known().cooldown_until <= now
    record.close()
    again = make_record()
    assert again.open().cooldown_until <= now
    again.cool_down(now + 5)
    again.close()
    assert make_record().open().cooldown_until == now + 5


def test_an_account_belongs_to_one_record_and_the_second_is_told_to_whom(make_record: MakeRecord) -> None:
    first, second = make_record("candles run 4711"), make_record("another run")
    first.open()
    with pytest.raises(LimiterUnavailable, match=r"account 'default' of binance is in use by candles run 4711"):
        second.open()
    first.close()
    second.open()
    with pytest.raises(LimiterUnavailable, match="another run"):
        first.open()


def test_a_record_that_was_let_go_takes_no_note(make_record: MakeRecord) -> None:
    record = make_record()
    record.open()
    record.close()
    record.close()
    for _ in range(2):
        with pytest.raises(StorageUnavailable):
            record.granted([permit("late")])
    assert make_record().open().permits == ()


def test_a_record_opened_again_tells_everything_once(make_record: MakeRecord) -> None:
    record = make_record()
    record.open()
    granted, completed = permit("lent"), permit("over")
    record.granted([granted])
    record.granted([completed])
    record.completed(ended(completed, completed.granted_at))
    record.close()
    assert len(record.open().permits) == 2


def test_what_was_agreed_holds_in_the_same_session_and_in_no_other(make_record: MakeRecord) -> None:
    record = make_record()
    record.open()
    record.agree(FRACTIONAL)
    assert record.known().agreed == FRACTIONAL
    record.close()
    restarted = make_record(session="one")
    assert restarted.open().agreed == FRACTIONAL
    restarted.close()
    assert make_record(session="two").open().agreed is None
