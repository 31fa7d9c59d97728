"""What every permit log keeps to: `domain.limits.ports.PermitLog`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from adapters.in_memory.permit_log import InMemoryPermitLog, LoggedPermits
from adapters.permit_store.log import PermitLogFile
from adapters.permit_store.log_reader import read_trail
from domain.limits.audit import Ending, PermitTrail
from domain.limits.ledger import LentPermit
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
        log.open(known, time.monotonic())
        return log

    def trail(self) -> PermitTrail:
        return read_trail(self.folder, "binance", "default") if self.folder else self.memory.trail()


@pytest.fixture(params=["file", "memory"])
def logs(request: pytest.FixtureRequest, tmp_path: Path) -> Logs:
    return Logs(tmp_path if request.param == "file" else None)


def permit(name: str, seconds_ago: float = 0.0, tokens: int = 2, pool: str = "") -> LentPermit:
    granted_at = time.monotonic() - seconds_ago
    return LentPermit(name, tokens, granted_at, granted_at + 22.0, pool=pool)


def over(lent: LentPermit, after_seconds: float) -> LentPermit:
    return LentPermit(lent.permit_id, lent.tokens, lent.granted_at, lent.granted_at + after_seconds, True, lent.pool)


def recorded(*permits: LentPermit, complete_since: float = float("-inf")) -> RecordedPermits:
    return RecordedPermits(permits, float("-inf"), complete_since, None, "")


def test_every_permit_is_there_with_its_job_its_pool_and_how_it_ended(logs: Logs) -> None:
    log = logs.another()
    log.hold_to(LIMITS, time.monotonic() - 10)
    first, second, third = permit("1", 3), permit("2", 2, tokens=7, pool="history"), permit("3", 1)
    log.lent("a job", [first, second])
    log.lent("another", [third])
    log.over(over(second, 0.5), Outcome.ANSWERED, time.monotonic())
    log.over(over(first, 9.0), Outcome.STRAY, time.monotonic())
    trail = logs.trail()
    assert [trail.jobs[place] for place in trail.job] == ["a job", "a job", "another"]
    assert [trail.pools[place] for place in trail.pool] == ["", "history", ""]
    assert trail.tokens.tolist() == [2, 7, 2]
    assert trail.ending.tolist() == [Ending.STRAY, Ending.ANSWERED, Ending.BOUND]
    assert np.allclose(trail.over_seconds - trail.granted_seconds, [9.0, 0.5, 22.0], atol=1e-5)
    assert trail.limits[-1].limits == LIMITS
    assert trail.held_to(LIMITS[0]).all()


def test_a_permit_that_was_never_used_leaves_no_trace(logs: Logs) -> None:
    log = logs.another()
    log.lent("a job", [permit("used"), permit("unused")])
    log.void("unused", time.monotonic())
    log.void("never heard of", time.monotonic())
    assert len(logs.trail()) == 1


def test_a_successor_goes_on_where_the_log_ends_without_a_goodbye(logs: Logs) -> None:
    log = logs.another()
    log.hold_to(LIMITS, time.monotonic())
    one, two = permit("1"), permit("2")
    log.lent("a job", [one])
    log.lent("a job", [two])
    successor = logs.another(recorded(one, two))
    successor.hold_to(LIMITS, time.monotonic())
    successor.over(over(one, 0.25), Outcome.ANSWERED, time.monotonic())
    successor.lent("another", [permit("3")])
    trail = logs.trail()
    assert trail.ending.tolist() == [Ending.ANSWERED, Ending.BOUND, Ending.BOUND]
    assert len({era.limits for era in trail.limits}) == 1


def test_a_permit_logged_and_not_recorded_was_handed_out_to_nobody(logs: Logs) -> None:
    log = logs.another()
    handed_out, lost = permit("handed out"), permit("lost")
    log.lent("a job", [handed_out, lost])
    logs.another(recorded(handed_out))
    assert len(logs.trail()) == 1


def test_a_permit_of_a_time_that_the_record_does_not_know_stays(logs: Logs) -> None:
    log = logs.another()
    lent = permit("1")
    log.lent("a job", [lent])
    logs.another(recorded(complete_since=lent.over_at + 1))
    assert len(logs.trail()) == 1


def test_limits_are_noted_when_they_change(logs: Logs) -> None:
    log = logs.another()
    log.hold_to(LIMITS, time.monotonic())
    log.lent("a job", [permit("1")])
    log.hold_to(LIMITS[:1], time.monotonic())
    log.lent("a job", [permit("2")])
    log.hold_to(LIMITS[:1], time.monotonic())
    trail = logs.trail()
    assert trail.held_to(LIMITS[1]).tolist() == [True, False]
    assert trail.held_to(LIMITS[0]).tolist() == [True, True]


def test_a_log_is_let_go_of_twice(logs: Logs) -> None:
    log: Callable[..., PermitLog] = logs.another
    opened = log()
    opened.close()
    opened.close()
