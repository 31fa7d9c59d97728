"""The audit of permits: checked against brute force, and against the ledger that it audits."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.limits.audit import (
    AuditHistory,
    Ending,
    EvidenceGap,
    LimitsInForce,
    audit,
    between,
    held_at_grants,
    held_over_time,
)
from domain.limits.ledger import GrantedPermit, PermitLedger
from domain.limits.rates import Counts, RateLimit

JOB = "a job"
Row = tuple[float, float, int]
"""When granted, when over, how many tokens."""


def trail_of(rows: Sequence[Row], limits: Sequence[RateLimit], jobs: Sequence[str] = ()) -> AuditHistory:
    names = list(jobs or [JOB] * len(rows))
    order = sorted(range(len(rows)), key=lambda place: rows[place][0])
    known = tuple(dict.fromkeys(names))
    return AuditHistory(
        granted_seconds=np.array([rows[place][0] for place in order]),
        completed_seconds=np.array([rows[place][1] for place in order]),
        tokens=np.array([rows[place][2] for place in order], np.int64),
        job=np.array([known.index(names[place]) for place in order], np.int64),
        pool=np.zeros(len(rows), np.int64),
        ending=np.full(len(rows), Ending.ANSWERED, np.uint8),
        jobs=known,
        pools=("",),
        limits=(LimitsInForce(float("-inf"), tuple(limits)),),
    )


def brute_force(limit: RateLimit, rows: Sequence[Row]) -> int:
    """Every window that could matter, and who can have been in it."""
    starts = [
        moment for granted, completed, _ in rows for moment in (granted, completed, granted - limit.window_seconds)
    ]
    return max(
        sum(
            limit.cost(tokens)
            for granted, completed, tokens in rows
            if granted <= t + limit.window_seconds and completed >= t
        )
        for t in starts
    )


quarters = st.integers(0, 60).map(lambda quarter: quarter / 4)
"""Exact in floating point, so that edges meet edges."""
row = st.tuples(quarters, st.integers(0, 12).map(lambda quarter: quarter / 4), st.integers(1, 5)).map(
    lambda drawn: (drawn[0], drawn[0] + drawn[1], drawn[2])
)
limit = st.builds(RateLimit, st.integers(1, 30), st.sampled_from([0.25, 1.0, 3.5]), st.sampled_from(list(Counts)))


@given(rows=st.lists(row, min_size=1, max_size=25), limit=limit)
def test_the_fullest_window_is_the_one_that_trying_every_window_finds(rows: list[Row], limit: RateLimit) -> None:
    (window,) = audit(trail_of(rows, [limit]), JOB).windows
    assert window.most == window.of_job == brute_force(limit, rows)
    assert (window.excesses > 0) == (window.most > limit.amount)


@given(rows=st.lists(row, min_size=1, max_size=25), limit=limit)
def test_the_staircase_reaches_the_audit_and_never_above_and_ends_at_nothing(rows: list[Row], limit: RateLimit) -> None:
    history = trail_of(rows, [limit])
    moments, held = held_over_time(limit, history)
    assert held.max() == audit(history, JOB).windows[0].most
    assert held[-1] == 0
    assert np.all(np.diff(moments) > 0)


@dataclass
class Limiter:
    """A ledger that grants and completes permits and survives restarts, and a log of all that it does."""

    limits: tuple[RateLimit, ...]
    data: st.DataObject
    now: float = 1000.0
    noted: dict[str, GrantedPermit] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.ledger = PermitLedger(self.limits)

    def step(self) -> None:
        self.data.draw(st.sampled_from([self.grant, self.grant, self.grant, self.complete, self.release, self.rest]))()

    def grant(self) -> None:
        tokens = self.data.draw(st.integers(1, min([5, *(limit.amount for limit in self.limits)])))
        while (wait_seconds := self.ledger.wait_seconds(tokens, self.now)) > 0:
            self.now += max(wait_seconds, 1e-9)
        bound = self.now + self.data.draw(st.floats(0, 3))
        name = f"permit {next(self.numbers)}"
        self.noted[name] = self.ledger.grant(name, tokens, self.now, bound)

    def complete(self) -> None:
        name = self.one()
        completed = self.ledger.complete(name, self.now - self.data.draw(st.floats(-1, 1)), self.now) if name else None
        if completed:
            self.noted[completed.permit_id] = completed

    def release(self) -> None:
        name = self.one()
        if name and self.ledger.release(name, self.now):
            del self.noted[name]

    def rest(self) -> None:
        self.now += self.data.draw(st.floats(0, 2))

    def one(self) -> str | None:
        granted = [name for name, permit in self.noted.items() if not permit.has_completed]
        return self.data.draw(st.sampled_from(granted)) if granted else None


@settings(max_examples=150)
@given(data=st.data(), limits=st.lists(limit, min_size=1, max_size=3).map(tuple))
def test_whatever_the_ledger_grants_the_audit_finds_no_window_over_its_limit(
    data: st.DataObject, limits: tuple[RateLimit, ...]
) -> None:
    limiter = Limiter(limits, data)
    limiter.grant()
    for _ in range(data.draw(st.integers(1, 30))):
        limiter.step()
    rows = [(permit.granted_at, permit.completed_at, permit.tokens) for permit in limiter.noted.values()]
    if not rows:
        return
    verdict = audit(trail_of(rows, limits), JOB)
    assert verdict.is_proven
    assert all(window.most <= window.limit.amount for window in verdict.windows)


def test_a_grant_too_many_is_found_and_told_when() -> None:
    limit = RateLimit.parse("3/10s")
    rows = [(0.0, 0.5, 1), (1.0, 1.5, 1), (2.0, 2.5, 1), (10.4, 10.5, 1)]
    verdict = audit(trail_of(rows, [limit]), JOB)
    (window,) = verdict.windows
    assert (window.most, window.at_seconds, window.excesses) == (4, 10.4, 1)
    assert not verdict.is_proven


def test_other_jobs_of_the_account_count_and_are_told_apart() -> None:
    limit = RateLimit.parse("5/10s")
    rows = [(0.0, 0.5, 1), (1.0, 1.5, 1), (2.0, 2.5, 1), (50.0, 50.5, 1)]
    verdict = audit(trail_of(rows, [limit], ["other", JOB, JOB, "much later"]), JOB)
    assert (verdict.windows[0].most, verdict.windows[0].of_job) == (3, 2)
    assert (verdict.permits, verdict.of_other_jobs) == (2, 0), "the first was over before the job began"


def test_a_grant_is_judged_by_the_limits_that_held_when_it_was_made() -> None:
    loose, tight = RateLimit.parse("4/10s"), RateLimit.parse("2/10s")
    rows = [(float(moment), float(moment), 1) for moment in (0, 1, 2, 3, 14, 15)]
    history = trail_of(rows, [loose])
    eras = (LimitsInForce(0.0, (loose,)), LimitsInForce(13.5, (tight,)))
    lowered = audit(replace(history, limits=eras), JOB)
    assert {(str(window.limit), window.most) for window in lowered.windows} == {("4/10s", 4), ("2/10s", 2)}
    assert lowered.is_proven


def test_what_the_log_cannot_tell_leaves_the_job_unproven() -> None:
    history = trail_of([(10.0, 11.0, 1)], [RateLimit.parse("5/10s")])
    torn, forgotten = EvidenceGap(10.5, 10.5, "torn"), EvidenceGap(float("-inf"), 9.0, "forgotten")
    assert audit(replace(history, evidence_gaps=(torn,)), JOB).evidence_gaps == ("torn",)
    assert not audit(replace(history, evidence_gaps=(torn,)), JOB).is_proven
    assert audit(replace(history, evidence_gaps=(forgotten,)), JOB).is_proven, (
        "it was over before the job asked anything"
    )
    assert audit(replace(history, evidence_gaps=(forgotten,)), JOB, began_seconds=8.0).evidence_gaps == ("forgotten",)
    with pytest.raises(ValueError, match="no permit of job nobody"):
        audit(history, "nobody")


def test_a_part_of_the_history_has_every_permit_that_can_have_been_in_flight_then() -> None:
    history = trail_of([(0.0, 1.0, 1), (2.0, 9.0, 2), (4.0, 4.5, 3), (11.0, 12.0, 4)], [RateLimit.parse("5/10s")])
    assert between(history, 3.0, 10.0).tokens.tolist() == [2, 3]


def test_a_million_permits_are_audited_in_one_go() -> None:
    granted = np.arange(1_000_000) / 100.0
    held = held_at_grants(1.0, granted, granted + 0.05, np.ones(len(granted), np.int64))
    assert held.max() == 106
