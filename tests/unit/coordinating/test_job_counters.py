from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from actors.coordinating.job_counters import JobCounters
from domain.candles.dataset import Interval
from domain.jobs.batches import BatchReport, SymbolFailure
from domain.jobs.job import CollectionJob
from domain.jobs.ports import ProgressEvent
from domain.jobs.progress import Progress
from domain.jobs.request import CollectionRequest
from domain.limits.messages import LimiterStatus
from tests.unit.collecting.worker_bench import minutes, names

NOW = datetime(2024, 3, 1, tzinfo=UTC)
REQUEST = CollectionRequest("memory", "default", names(4), Interval("1m"), minutes(0, 25), batch_size=2)


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Watched:
    """A running job of 4 symbols, 3 pages each, and its counters."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.job = CollectionJob.submit(REQUEST, timestamp=NOW)
        self.job.start(timestamp=NOW)
        self.limiter: LimiterStatus | None = None
        self.take_up()

    def take_up(self) -> None:
        """A run of the job begins."""
        self.counters = JobCounters(self.job, 3, self.clock)

    def told(self, batch: int = 0, **counts: Any) -> Progress:
        self.counters.add(ProgressEvent("worker-1", batch, 1, "page", **counts))
        return self.now

    def reported(self, batch: int, finished: bool = True, **counts: Any) -> Progress:
        counts.setdefault("completed", REQUEST.symbols[2 * batch : 2 * batch + 2] if finished else ())
        report = self.counters.with_lost_work(BatchReport(batch, 1, finished, **counts))
        self.job.record_batch(report, timestamp=NOW)
        self.counters.reported(batch)
        return self.now

    @property
    def now(self) -> Progress:
        at = NOW + timedelta(seconds=self.clock.seconds)
        return self.counters.snapshot(self.job, self.limiter, is_attended=True, at=at)


def failure(symbol: str) -> SymbolFailure:
    return SymbolFailure(symbol, "SymbolRejected", "unknown symbol", 1)


def limiter(**changes: Any) -> LimiterStatus:
    status = LimiterStatus("memory", "default", (), 0, False, 0.0, "", 0, 0.0, 0.05, "")
    return replace(status, **changes)


def test_what_workers_tell_shows_at_once_and_counts_once_when_it_is_reported() -> None:
    watched = Watched()
    live = watched.told(pages=6, work=2, candles=50, requests=6, symbols_done=2)
    assert (live.pages_done, live.candles_saved, live.requests, live.symbols_completed) == (6, 50, 6, 2)
    recorded = watched.reported(0, candles_saved=50, requests=6, pages=6)
    counts = (recorded.pages_done, recorded.candles_saved, recorded.requests, recorded.symbols_completed)
    assert counts == (6, 50, 6, 2)
    assert recorded.version > live.version
    assert live.share == recorded.share == 0.5


def test_pages_done_reach_the_total_and_what_is_stored_already_is_no_page_to_come() -> None:
    watched = Watched()
    assert (watched.now.pages_done, watched.now.pages_total) == (0, 12)
    watched.told(pages=2, work=2 / 3, requests=2)
    found = watched.told(work=4 / 3)
    assert (found.pages_done, found.pages_total) == (2, 8)
    watched.reported(0, pages=2)
    watched.told(1, work=2)
    done = watched.reported(1)
    assert (done.pages_done, done.pages_total, done.share) == (2, 2, 1)


def test_pages_given_up_with_a_failed_symbol_do_not_count_as_done() -> None:
    watched = Watched()
    live = watched.told(pages=4, work=2, symbols_done=1, symbols_failed=1)
    recorded = watched.reported(0, pages=4, completed=REQUEST.symbols[:1], failed=(failure(REQUEST.symbols[1]),))
    for progress in (live, recorded):
        assert (progress.pages_done, progress.pages_total, progress.share) == (4, 10, 0.5)


def test_what_a_lost_worker_saved_stays_counted_and_its_symbols_do_not() -> None:
    watched = Watched()
    watched.told(pages=3, work=1, candles=25, requests=3, symbols_done=1)
    watched.counters.lost(0)
    lost = watched.now
    counts = (lost.candles_saved, lost.requests, lost.symbols_completed, lost.pages_done, lost.share)
    assert counts == (25, 3, 0, 3, 0.25)
    again = watched.told(pages=3, work=2, candles=25, requests=3)
    assert (again.candles_saved, again.pages_done, again.share) == (50, 6, 0.5)
    recorded = watched.reported(0, candles_saved=25, requests=3, pages=3)
    assert (recorded.candles_saved, recorded.requests, recorded.pages_done) == (50, 6, 6)


def test_what_an_earlier_claim_of_a_batch_had_done_is_not_counted_again_when_it_is_taken_up() -> None:
    watched = Watched()
    watched.reported(0, finished=False, completed=REQUEST.symbols[:1], pages=4, in_part=1 / 3)
    watched.job.pause("pause", timestamp=NOW)
    watched.job.resume("resume", timestamp=NOW)
    before = watched.now
    assert (before.pages_done, before.symbols_completed) == (4, 1)
    again = watched.told(work=4 / 3, symbols_done=1)
    assert (again.pages_done, again.symbols_completed, again.share) == (4, 1, before.share)
    further = watched.told(pages=1, work=1 / 3, requests=1)
    assert (further.pages_done, further.symbols_completed, further.share) == (5, 1, pytest.approx(5 / 12))


@pytest.mark.parametrize("order", ["pause", "cancel"])
def test_a_cancelled_job_never_moves_its_bar_backwards(order: str) -> None:
    watched = Watched()
    live = watched.told(pages=4, work=4 / 3, symbols_done=1)
    watched.reported(0, finished=False, completed=REQUEST.symbols[:1], pages=4, in_part=1 / 3)
    getattr(watched.job, order)(timestamp=NOW)
    assert watched.now.share == pytest.approx(live.share)
    assert Progress.of_record(watched.job, NOW).share == pytest.approx(live.share), "its record says the same"


def test_a_batch_without_a_report_is_recorded_with_what_was_done_of_it() -> None:
    watched = Watched()
    live = watched.told(pages=4, work=4 / 3, candles=40, requests=4, symbols_done=1)
    for report in watched.counters.unreported():
        watched.job.record_batch(report, timestamp=NOW)
        watched.counters.reported(report.batch)
    assert watched.now.share == pytest.approx(live.share)
    assert (watched.now.pages_done, watched.now.candles_saved) == (4, 40)


def test_a_retry_is_at_100_percent_only_when_its_symbols_are_done() -> None:
    watched = Watched()
    watched.reported(0, pages=3, completed=REQUEST.symbols[:1], failed=(failure(REQUEST.symbols[1]),))
    assert watched.reported(1, pages=6).share == 1
    watched.job.conclude(timestamp=NOW)
    watched.job.retry(timestamp=NOW)
    watched.take_up()
    begun = watched.now
    assert (begun.share, begun.pages_done, begun.pages_total) == (0.8, 9, 12)
    halfway = watched.told(2, pages=1, work=1 / 3, requests=1)
    assert begun.share < halfway.share < 1
    failed_again = watched.told(2, work=2 / 3, symbols_failed=1)
    assert (failed_again.share, failed_again.symbols_failed) == (1, 1)


def test_the_time_left_follows_from_the_pages_of_this_run() -> None:
    watched = Watched()
    assert watched.now.eta_seconds is None
    watched.clock.seconds = 10
    assert watched.told(pages=4, work=4 / 3, requests=4).eta_seconds == 20
    ended = watched.counters.snapshot(watched.job, None, is_attended=False, at=NOW)
    assert ended.eta_seconds is None


def test_a_job_that_pauses_is_not_expected_to_take_longer_for_it() -> None:
    watched = Watched()
    watched.clock.seconds = 10
    watched.told(pages=4, work=4 / 3, requests=4)
    watched.job.pause(timestamp=NOW + timedelta(seconds=10))
    assert watched.now.eta_seconds is None
    watched.job.resume(timestamp=NOW + timedelta(seconds=1000))
    watched.clock.seconds = 1000
    assert watched.now.eta_seconds == 20


@pytest.mark.parametrize("state", [{"paused": True}, {"cooldown_seconds": 3.0, "cooldown_reason": "HTTP 429"}])
def test_a_job_whose_account_is_paused_or_in_cooldown_has_no_eta(state: dict[str, Any]) -> None:
    watched = Watched()
    watched.clock.seconds = 10
    watched.told(pages=4, work=4 / 3, requests=4)
    watched.limiter = limiter(**state)
    assert watched.now.eta_seconds is None
    watched.limiter = limiter()
    assert watched.now.eta_seconds == 20


def test_the_requests_of_this_run_stand_beside_the_time_of_this_run() -> None:
    watched = Watched()
    watched.reported(0, requests=6)
    watched.job.pause(timestamp=NOW + timedelta(seconds=8))
    watched.job.resume(timestamp=NOW + timedelta(seconds=100))
    watched.take_up()
    watched.clock.seconds = 104
    progress = watched.told(1, requests=2)
    assert (progress.requests, progress.running_seconds) == (8, 12)
    assert (progress.run_requests, progress.run_seconds) == (2, 4)


def test_the_rate_is_that_of_the_last_five_seconds() -> None:
    watched = Watched()
    watched.clock.seconds = 2
    assert watched.told(requests=20).requests_per_second == 10
    watched.clock.seconds = 10
    assert watched.told(requests=5).requests_per_second == 1
    watched.clock.seconds = 100
    assert watched.now.requests_per_second == 0


def test_findings_are_shown_as_they_are_told_and_count_once_when_they_are_reported() -> None:
    watched = Watched()
    watched.told(findings={"a": 1})
    assert watched.told(findings={"a": 1, "b": 2}).findings == {"a": 2, "b": 2}
    assert watched.reported(0, findings={"a": 2, "b": 2}).findings == {"a": 2, "b": 2}
    assert watched.told(1, findings={"b": 1}).findings == {"a": 2, "b": 3}


def test_what_a_lost_worker_had_noticed_stays_counted() -> None:
    watched = Watched()
    watched.told(findings={"a": 3})
    watched.counters.lost(0)
    assert watched.now.findings == {"a": 3}
    watched.told(findings={"b": 1})
    assert watched.reported(0, findings={"b": 1}).findings == {"a": 3, "b": 1}
    assert watched.job.findings == {"a": 3, "b": 1}
