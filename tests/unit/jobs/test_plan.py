"""CollectionPlan, and the identities that follow from a request."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from domain.candles.dataset import Interval
from domain.jobs.plan import CollectionPlan, job_id_of, request_key_of
from domain.jobs.request import CollectionRequest, FailureAllowance, OnTooManyFailures
from domain.limits.messages import Priority
from domain.spans.time_span import TimeSpan

NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)
REQUEST = CollectionRequest(
    broker="binance",
    account="default",
    symbols=("AAA", "BBB", "CCC", "DDD", "EEE"),
    interval=Interval("1m"),
    span=TimeSpan(0, 86_400_000),
)


@pytest.mark.parametrize("allowance", [FailureAllowance(count=3), FailureAllowance(share=1 / 3)])
def test_a_plan_holds_the_whole_request(allowance: FailureAllowance) -> None:
    request = replace(REQUEST, open_ended=True, workers=3, concurrency=5, max_failures=allowance)
    request = replace(request, priority=Priority.INTERACTIVE, calendar="XNYS", settle_seconds=7_200)
    plan = CollectionPlan.from_request(request, timestamp=NOW)
    assert (plan.job_id, plan.request, plan.symbols) == (job_id_of(request), request, request.symbols)


def test_the_job_id_follows_from_what_is_asked_and_not_from_how_it_is_done() -> None:
    done_otherwise = replace(
        REQUEST,
        symbols=REQUEST.symbols[::-1],
        batch_size=7,
        workers=9,
        concurrency=9,
        max_failures=FailureAllowance(share=0.5),
        on_too_many_failures=OnTooManyFailures.FAIL,
        priority=Priority.INTERACTIVE,
        calendar="XNYS",
        settle_seconds=7_200,
    )
    assert job_id_of(done_otherwise) == job_id_of(REQUEST) == "binance-1m-bb596b89"
    asked_otherwise = [
        replace(REQUEST, account="other"),
        replace(REQUEST, symbols=("AAA",)),
        replace(REQUEST, interval=Interval("5m")),
        replace(REQUEST, span=TimeSpan(60_000, 86_400_000)),
        replace(REQUEST, span=TimeSpan(0, 86_460_000)),
    ]
    assert len({job_id_of(request) for request in [REQUEST, *asked_otherwise]}) == 6


def test_an_open_ended_request_keeps_its_key_while_its_end_moves() -> None:
    today = replace(REQUEST, open_ended=True)
    tomorrow = replace(today, span=TimeSpan(0, 2 * 86_400_000))
    assert request_key_of(today) == request_key_of(tomorrow)
    assert job_id_of(today) != job_id_of(tomorrow)
    assert request_key_of(today) != request_key_of(REQUEST)
