"""What every permit log keeps to: `domain.limits.ports.PermitLog`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from adapters.boot_clock import boot_seconds
from adapters.in_memory.permit_log import InMemoryPermitLog, LoggedPermits
from adapters.permit_store.log import PermitLogFile
from adapters.permit_store.log_reader import read_audit_history
from domain.limits.audit import AuditHistory, Ending
from domain.limits.ledger import GrantedPermit
from domain.limits.messages import Outcome
from domain.limits.ports import PermitLog, RecordedPermits
from domain.limits.rates import RateLimit

LIMITS = (RateLimit.parse("15/1s"), RateLimit.parse("600w/60s@history"))
NOTHING = RecordedPermits((), float("-inf"), float("-inf"), None, "")


class Logs:
    """Makes one log after another over the same memory, and reads what they left."""

    def __init__(self, folder: Path | None) -> None:
        self.folder, self.memory = folder, LoggedPermits()

    def another(self, known: RecordedPermits = NOTHING) -> PermitLog:
        log: PermitLog = (
            PermitLogFile(self.folder, "binance", "default", "this boot")
            if self.folder
            else InMemoryPermitLog(self.memory)
        )
        log.open(known, boot_seconds())
        return log

    def history(self) -> AuditHistory:
        return read_audit_history(self.folder, "binance", "default") if self.folder else self.memory.history()


@pytest.fixture(params=["file", "memory"])
def logs(request: pytest.FixtureRequest, tmp_path: Path) -> Logs:
    return Logs(tmp_path if request.param == "file" else None)


def permit(name: str, seconds_ago: float = 0.0, tokens: int = 2, pool: str = "") -> GrantedPermit:
    granted_at = boot_seconds() - seconds_ago
    return GrantedPermit(name, tokens, granted_at, granted_at + 22.0, pool=pool)


def completed(granted: GrantedPermit, after_seconds: float) -> GrantedPermit:
    return GrantedPermit(
        granted.permit_id, granted.tokens, granted.granted_at, granted.granted_at + after_seconds, True, granted.pool
    )


def recorded(*permits: GrantedPermit, complete_since: float = float("-inf")) -> RecordedPermits:
    return RecordedPermits(permits, float("-inf"), complete_since, None, "")


def test_every_permit_is_there_with_its_job_its_pool_and_how_it_ended(logs: Logs) -> None:
    log = logs.another()
    log.note_limits(LIMITS, boot_seconds() - 10)
    first, second, third = permit("1", 3), permit("2", 2, tokens=7, pool="history"), permit("3", 1)
    log.granted("a job", [first, second])
    log.granted("another", [third])
    log.completed(completed(second, 0.5), Outcome.ANSWERED, boot_seconds())
    log.completed(completed(first, 9.0), Outcome.ABANDONED, boot_seconds())
    history = logs.history()
    assert [history.jobs[place] for place in history.job] == ["a job", "a job", "another"]
    assert [history.pools[place] for place in history.pool] == ["", "history", ""]
    assert history.tokens.tolist() == [2, 7, 2]
    assert history.ending.tolist() == [Ending.ABANDONED, Ending.ANSWERED, Ending.BOUND]
    assert np.allclose(history.completed_seconds - history.granted_seconds, [9.0, 0.5, 22.0], atol=1e-5)
    assert history.limits[-1].limits == LIMITS
    assert history.held_to(LIMITS[0]).all()


def test_a_permit_that_was_never_used_leaves_no_trace(logs: Logs) -> None:
    log = logs.another()
    log.granted("a job", [permit("used"), permit("unused")])
    log.release("unused", boot_seconds())
    log.release("never heard of", boot_seconds())
    assert len(logs.history()) == 1


def test_a_successor_goes_on_where_the_log_ends_without_a_goodbye(logs: Logs) -> None:
    log = logs.another()
    log.note_limits(LIMITS, boot_seconds())
    one, two = permit("1"), permit("2")
    log.granted("a job", [one])
    log.granted("a job", [two])
    successor = logs.another(recorded(one, two))
    successor.note_limits(LIMITS, boot_seconds())
    successor.completed(completed(one, 0.25), Outcome.ANSWERED, boot_seconds())
    successor.granted("another", [permit("3")])
    history = logs.history()
    assert history.ending.tolist() == [Ending.ANSWERED, Ending.BOUND, Ending.BOUND]
    assert len({era.limits for era in history.limits}) == 1


def test_a_permit_logged_and_not_recorded_was_handed_out_to_nobody(logs: Logs) -> None:
    log = logs.another()
    handed_out, lost = permit("handed out"), permit("lost")
    log.granted("a job", [handed_out, lost])
    logs.another(recorded(handed_out))
    assert len(logs.history()) == 1


def test_a_permit_of_a_time_that_the_record_does_not_know_stays(logs: Logs) -> None:
    log = logs.another()
    granted = permit("1")
    log.granted("a job", [granted])
    logs.another(recorded(complete_since=granted.completed_at + 1))
    assert len(logs.history()) == 1


def test_limits_are_noted_when_they_change(logs: Logs) -> None:
    log = logs.another()
    log.note_limits(LIMITS, boot_seconds())
    log.granted("a job", [permit("1")])
    log.note_limits(LIMITS[:1], boot_seconds())
    log.granted("a job", [permit("2")])
    log.note_limits(LIMITS[:1], boot_seconds())
    history = logs.history()
    assert history.held_to(LIMITS[1]).tolist() == [True, False]
    assert history.held_to(LIMITS[0]).tolist() == [True, True]


def test_a_log_is_let_go_of_twice(logs: Logs) -> None:
    log: Callable[..., PermitLog] = logs.another
    opened = log()
    opened.close()
    opened.close()
