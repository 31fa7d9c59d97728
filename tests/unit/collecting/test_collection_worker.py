from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import fields, replace

import numpy as np
import pytest

from adapters.in_memory import InMemoryExchange, InMemoryGateway
from domain.brokers.answers import Answer
from domain.brokers.queries import Query
from domain.brokers.wire import Wire, WireRequest, WireResponse
from domain.candles.candles import Candles
from domain.errors import (
    BrokerThrottled,
    BrokerUnavailable,
    CorruptSegment,
    CredentialsRefused,
    JobNotFound,
    LimiterUnavailable,
    MalformedResponse,
    StorageUnavailable,
    SymbolRejected,
)
from domain.jobs.ports import ProgressEvent
from domain.jobs.retries import RetryPolicy
from domain.limits.messages import Priority
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan
from tests.unit.collecting.worker_bench import MINUTE_MS, Bench, bars, minutes, names


def unavailable(symbol: str = "S00") -> BrokerUnavailable:
    return BrokerUnavailable("memory", symbol, "503")


async def test_every_page_of_every_symbol_is_fetched_saved_and_reported() -> None:
    bench = Bench(names(3), bars_each=25, batch_size=2, concurrency=2)
    outcome = await bench.run()
    assert outcome.reason == "done"
    assert all(bench.is_complete(symbol) and bench.stored(symbol) == 25 for symbol in names(3))
    assert [(report.batch, report.finished, report.completed) for report in bench.jobs.reports] == [
        (0, True, ("S00", "S01")),
        (1, True, ("S02",)),
    ]
    assert [(report.pages, report.requests, report.candles_saved) for report in bench.jobs.reports] == [
        (6, 6, 50),
        (3, 3, 25),
    ]
    assert bench.jobs.finished_workers == ["worker-1"]


async def test_a_span_without_a_bar_is_no_trouble() -> None:
    bench = Bench(names(1), span=TimeSpan(10, 20))
    assert (await bench.run()).reason == "done"
    assert [report.completed for report in bench.jobs.reports] == [names(1)]


async def test_no_more_symbols_are_in_flight_than_the_concurrency_allows() -> None:
    bench = Bench(names(10), concurrency=3, latency_seconds=1.0)
    most = 0

    async def note(_: object) -> None:
        nonlocal most
        most = max(most, bench.exchange.in_flight, len((await bench.worker.status())["symbols"]))

    bench._before_blocking = note
    await bench.run()
    assert most == 3


async def test_ten_symbols_in_a_batch_of_ten_give_a_progress_event_with_the_new_counts() -> None:
    bench = Bench(names(10), batch_size=10)
    await bench.run()
    (told,) = bench.emitter.of_kind("batch")
    assert (told.batch, told.symbols_done, told.symbols_failed) == (0, 10, 0)
    assert bench.jobs.progress().symbols_completed == 10


async def test_the_sum_of_all_events_is_the_report_and_the_work_of_every_symbol_is_told_once() -> None:
    mishaps = {"S01": [unavailable("S01"), SymbolRejected("memory", "S01", "gone")], "S02": [unavailable("S02")]}
    bench = Bench(names(4), bars_each=35, mishaps=mishaps)
    dataset = bench.gateway.dataset("S03", bench.request.interval)
    bench.candles.save(dataset, minutes(0, 20), bars(20))
    await bench.run()
    (report,) = bench.jobs.reports
    total = {
        field.name: sum(getattr(event, field.name) for event in bench.emitter.events)
        for field in fields(ProgressEvent)
        if field.name not in ("worker", "batch", "epoch", "kind", "findings")
    }
    assert total == {
        "pages": report.pages,
        "candles": report.candles_saved,
        "quarantined": report.candles_quarantined,
        "requests": report.requests,
        "symbols_done": 3,
        "symbols_failed": 1,
        "work": pytest.approx(4),
    }


async def test_what_is_stored_already_costs_no_request() -> None:
    bench = Bench(bars_each=30)
    dataset = bench.gateway.dataset("S00", bench.request.interval)
    bench.candles.save(dataset, minutes(5, 25), bars(20, first=5))
    await bench.run()
    assert bench.asked == [("S00", minutes(0, 5)), ("S00", minutes(25, 30))]
    assert bench.stored("S00") == 30


async def test_a_second_run_of_a_finished_job_makes_no_request() -> None:
    first = Bench(names(2), bars_each=20, market={"S00": bars(20), "S01": bars(0)})
    await first.run()
    second = Bench(names(2), bars_each=20)
    second.candles.histories = first.candles.histories
    await second.run()
    assert second.limiter.granted == 0
    assert second.jobs.progress().symbols_completed == 2


async def test_a_span_off_the_grid_asks_for_the_openings_inside_it() -> None:
    bench = Bench()
    bench.jobs._request = type(bench.request)(
        "memory", "default", ("S00",), bench.request.interval, TimeSpan(30_000, 150_000)
    )
    await bench.run()
    assert bench.asked == [("S00", minutes(1, 3))]


async def test_a_rejected_symbol_is_recorded_at_once_and_the_rest_goes_on() -> None:
    bench = Bench(names(3), market={"S00": bars(10), "S02": bars(10)})
    outcome = await bench.run()
    (report,) = bench.jobs.reports
    (failure,) = report.failed
    assert outcome.reason == "done"
    assert (failure.symbol, failure.kind, failure.message, failure.attempts) == (
        "S01",
        "SymbolRejected",
        "unknown symbol",
        1,
    )
    assert (report.finished, report.completed) == (True, ("S00", "S02"))


@pytest.mark.parametrize("error", [unavailable(), MalformedResponse("memory", "S00", "not JSON")])
async def test_an_error_that_may_pass_is_tried_again_with_a_permit_of_its_own(error: Exception) -> None:
    bench = Bench(mishaps={"S00": [error, error]})
    await bench.run()
    assert bench.jobs.reports[0].completed == ("S00",)
    assert bench.limiter.granted == bench.limiter.answered == len(bench.asked) == 3
    assert bench.jobs.reports[0].requests == 3


async def test_a_symbol_is_given_up_after_as_many_attempts_as_the_policy_has() -> None:
    bench = Bench(names(2), mishaps={"S00": [unavailable()] * 9}, policy=RetryPolicy(attempts=3))
    await bench.run()
    (failure,) = bench.jobs.reports[0].failed
    assert (failure.symbol, failure.kind, failure.attempts) == ("S00", "BrokerUnavailable", 3)
    assert bench.jobs.reports[0].completed == ("S01",)
    assert [symbol for symbol, _ in bench.asked].count("S00") == 3


async def test_the_attempts_of_one_page_are_not_charged_to_the_next() -> None:
    class Flaky(InMemoryExchange):
        async def respond(self, request: WireRequest) -> WireResponse:
            response = await super().respond(request)
            if self.asked.count(self.asked[-1]) < 3:
                raise unavailable()
            return response

    bench = Bench(bars_each=50, policy=RetryPolicy(attempts=3))
    bench.exchange.__class__ = Flaky
    await bench.run()
    assert bench.jobs.reports[0].completed == ("S00",)


async def test_a_throttled_request_is_nobodys_failure_however_often_it_happens() -> None:
    refused = BrokerThrottled("memory", "S00", "429", 7.0)
    bench = Bench(mishaps={"S00": [*[refused] * 20, unavailable()]}, policy=RetryPolicy(attempts=2))
    await bench.run()
    assert bench.jobs.reports[0].completed == ("S00",)
    assert bench.jobs.reports[0].failed == ()
    assert bench.limiter.cooldowns == [(7.0, "429")] * 20


async def test_refused_credentials_stop_the_worker_and_blame_no_symbol() -> None:
    bench = Bench(names(4), mishaps={"S01": [CredentialsRefused("memory", "S01", "401")]})
    outcome = await bench.run()
    (report,) = bench.jobs.reports
    assert outcome.reason == "broker_refused_credentials"
    assert "401" in outcome.message
    assert (report.finished, report.completed, report.failed) == (False, ("S00",), ())
    assert [symbol for symbol, _ in bench.asked] == ["S00", "S01"]


async def test_a_full_disk_stops_the_worker_and_blames_no_symbol() -> None:
    bench = Bench(names(2))
    bench.candles.failures.append(StorageUnavailable("/data", "no space left"))
    outcome = await bench.run()
    assert (outcome.reason, outcome.message) == ("storage_unavailable", "/data cannot be used: no space left")
    assert (bench.jobs.reports[0].completed, bench.jobs.reports[0].failed) == ((), ())


async def test_a_limiter_that_is_gone_stops_the_worker_and_blames_no_symbol() -> None:
    bench = Bench(names(2), mishaps={"S00": [LimiterUnavailable("held by another run")]})
    outcome = await bench.run()
    assert (outcome.reason, outcome.message) == ("limiter_unavailable", "held by another run")
    assert bench.jobs.reports[0].failed == ()


async def test_a_corrupt_file_fails_its_symbol_only() -> None:
    bench = Bench(names(2))
    bench.candles.failures.append(CorruptSegment("/data/S00", "checksum"))
    outcome = await bench.run()
    (report,) = bench.jobs.reports
    assert outcome.reason == "done"
    assert (report.failed[0].symbol, report.failed[0].kind, report.completed) == ("S00", "CorruptSegment", ("S01",))


async def test_a_bar_that_is_not_closed_yet_is_waited_for_and_only_the_rest_is_asked_again() -> None:
    bench = Bench(bars_each=10, closed_before_ms=8 * MINUTE_MS)

    async def clock_moves(_: object) -> None:
        if len(bench.asked) == 2:
            bench.exchange.closed_before_ms = 10 * MINUTE_MS

    bench._before_blocking = clock_moves
    await bench.run()
    assert bench.asked == [("S00", minutes(0, 10)), ("S00", minutes(8, 10)), ("S00", minutes(8, 10))]
    assert bench.stored("S00") == 10
    assert (bench.jobs.reports[0].completed, bench.jobs.reports[0].pages) == (("S00",), 1)


async def test_an_answer_that_stays_incomplete_never_counts_as_complete() -> None:
    bench = Bench(bars_each=10, closed_before_ms=8 * MINUTE_MS, policy=RetryPolicy(attempts=2))
    await bench.run()
    (report,) = bench.jobs.reports
    assert report.completed == ()
    assert (report.failed[0].kind, report.candles_saved, bench.stored("S00")) == ("BrokerUnavailable", 8, 8)
    assert "not closed yet" in report.failed[0].message


async def test_a_repository_that_does_not_remember_the_answer_fails_the_symbol() -> None:
    bench = Bench()
    bench.candles.save = lambda *_, **__: None  # type: ignore[assignment, method-assign, return-value]
    await bench.run()
    (failure,) = bench.jobs.reports[0].failed
    assert (failure.kind, failure.message.split(":")[0]) == ("MalformedResponse", "incomplete")


async def test_a_bad_candle_is_quarantined_and_counted_and_the_symbol_completes() -> None:
    good = bars(10).columns()
    high = good["high"].copy()
    high[4] = 1.0
    bench = Bench(market={"S00": Candles.from_columns({**good, "high": high})})
    await bench.run()
    (report,) = bench.jobs.reports
    assert (report.completed, report.candles_saved, report.candles_quarantined) == (("S00",), 9, 1)
    ((bad,),) = bench.candles.quarantined.values()
    assert bad.open_time_ms == 4 * MINUTE_MS


async def test_a_page_that_is_mostly_bad_fails_its_symbol_and_saves_nothing() -> None:
    good = bars(10).columns()
    bad = Candles.from_columns({**good, "close": np.full(10, np.nan)})
    bench = Bench(names(2), market={"S00": bad, "S01": bars(10)}, policy=RetryPolicy(attempts=2))
    await bench.run()
    (report,) = bench.jobs.reports
    assert (report.failed[0].symbol, report.failed[0].kind) == ("S00", "MalformedResponse")
    assert (bench.stored("S00"), bench.is_complete("S00"), report.completed) == (0, False, ("S01",))
    assert len(next(iter(bench.candles.quarantined.values()))) == 10


async def test_a_report_of_a_lost_batch_is_dropped_and_the_work_goes_on() -> None:
    bench = Bench(names(2), batch_size=1)

    async def lose_the_first_batch(_: object) -> None:
        if bench.jobs.epoch == 1 and bench.asked:
            bench.jobs.take_back_everything()

    bench._before_blocking = lose_the_first_batch
    outcome = await bench.run()
    assert outcome.reason == "done"
    assert [(report.batch, report.epoch, report.completed) for report in bench.jobs.reports] == [
        (0, 2, ("S00",)),
        (1, 2, ("S01",)),
    ]
    assert len(bench.asked) == 2


async def test_a_job_that_does_not_exist_is_said_so() -> None:
    with pytest.raises(JobNotFound):
        await Bench().worker.run("no-such-job")


async def test_a_bug_ends_the_run_loudly_and_leaves_the_job() -> None:
    bench = Bench(names(3), concurrency=3, mishaps={"S01": [ZeroDivisionError("a bug")]})
    with pytest.raises(ZeroDivisionError):
        await bench.run()
    assert bench.jobs.finished_workers == ["worker-1"]


async def test_the_worker_gives_everything_back_at_the_end_and_is_named_after_its_job() -> None:
    bench = Bench()
    await bench.run()
    assert bench.exchange.closed
    assert bench.limiter.closed
    assert bench.limiter.bound_jobs == [("memory-job", Priority.BULK)]
    assert repr(bench.worker) == "CollectionWorker(memory-job, worker-1)"


async def test_nothing_is_kept_of_a_symbol_after_its_batch() -> None:
    bench = Bench(names(50), batch_size=5, concurrency=2)
    await bench.run()
    assert (await bench.worker.status())["symbols"] == []
    kept = [value for value in vars(bench.worker).values() if isinstance(value, list | dict | set)]
    assert kept == [[]]


async def test_a_broker_that_sends_one_row_at_a_time_is_followed_to_the_end() -> None:
    class Sparing(InMemoryGateway):
        async def answers(self, query: Query, wire: Wire) -> AsyncGenerator[Answer]:
            async for answer in super().answers(query, wire):
                (part,) = answer.parts
                first = TimeSpan(query.span.start_ms, query.span.start_ms + MINUTE_MS)
                yield replace(answer, parts=(replace(part, rows=part.rows.take(slice(1)), answered=SpanSet([first])),))

    bench = Bench(bars_each=1500, most_rows=1500)
    bench.gateway.__class__ = Sparing
    await bench.run()
    assert (bench.stored("S00"), len(bench.asked)) == (1500, 1500)
