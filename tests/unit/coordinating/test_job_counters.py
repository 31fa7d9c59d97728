from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from actors.coordinating.job_counters import JobCounters, pages_in
from domain.candles.dataset import Interval
from domain.jobs.batches import BatchReport
from domain.jobs.job import CollectionJob
from domain.jobs.ports import ProgressEvent
from domain.jobs.progress import Progress
from domain.jobs.request import CollectionRequest
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
        self.counters = JobCounters(REQUEST, 10, self.clock)

    def told(self, batch: int = 0, **counts: Any) -> Progress:
        self.counters.add(ProgressEvent("worker-1", batch, 1, "page", **counts))
        return self.now

    def reported(self, batch: int, **counts: Any) -> Progress:
        symbols = REQUEST.symbols[2 * batch : 2 * batch + 2]
        report = self.counters.with_left_behind(BatchReport(batch, 1, True, symbols, **counts))
        self.job.record_batch(report, timestamp=NOW)
        self.counters.reported(batch)
        return self.now

    @property
    def now(self) -> Progress:
        return self.counters.snapshot(self.job, None, is_attended=True)


def test_a_symbols_pages_are_counted_with_the_last_one_that_is_not_full() -> None:
    assert pages_in(REQUEST, 10) == 3
    assert pages_in(REQUEST, 25) == 1


def test_what_workers_tell_shows_at_once_and_counts_once_when_it_is_reported() -> None:
    watched = Watched()
    live = watched.told(pages=6, candles=50, requests=6, symbols_done=2)
    assert (live.pages_done, live.candles_saved, live.requests, live.symbols_completed) == (6, 50, 6, 2)
    recorded = watched.reported(0, candles_saved=50, requests=6, pages=6)
    counts = (recorded.pages_done, recorded.candles_saved, recorded.requests, recorded.symbols_completed)
    assert counts == (6, 50, 6, 2)
    assert recorded.version > live.version


def test_pages_reach_the_total_whether_fetched_or_skipped() -> None:
    watched = Watched()
    watched.told(pages=2, requests=2)
    watched.told(pages_skipped=4)
    watched.reported(0)
    watched.told(1, pages_skipped=6)
    done = watched.reported(1)
    assert done.pages_done == done.pages_total == 12


def test_what_a_lost_worker_saved_stays_counted_and_its_symbols_do_not() -> None:
    watched = Watched()
    watched.told(pages=3, candles=25, requests=3, symbols_done=1)
    watched.counters.lost(0)
    lost = watched.now
    assert (lost.candles_saved, lost.requests, lost.symbols_completed, lost.pages_done) == (25, 3, 0, 0)
    again = watched.told(pages=3, pages_skipped=3, candles=25, requests=3)
    assert (again.candles_saved, again.pages_done) == (50, 6)
    recorded = watched.reported(0, candles_saved=25, requests=3, pages=3)
    assert (recorded.candles_saved, recorded.requests, recorded.pages_done) == (50, 6, 6)


def test_what_an_earlier_claim_of_a_batch_had_completed_is_not_counted_again_when_it_is_taken_up() -> None:
    watched = Watched()
    watched.job.record_batch(BatchReport(0, 1, False, REQUEST.symbols[:1], pages=3), timestamp=NOW)
    watched.job.pause("pause", timestamp=NOW)
    watched.job.resume("resume", timestamp=NOW)
    assert (watched.now.pages_done, watched.now.symbols_completed) == (3, 1)
    again = watched.told(pages_skipped=3, symbols_done=1)
    assert (again.pages_done, again.symbols_completed) == (3, 1)
    further = watched.told(pages=1, requests=1)
    assert (further.pages_done, further.symbols_completed) == (4, 1)


def test_the_time_left_follows_from_the_pages_of_this_run() -> None:
    watched = Watched()
    assert watched.now.eta_seconds is None
    watched.clock.seconds = 10
    assert watched.told(pages=4, requests=4).eta_seconds == 20
    assert watched.counters.snapshot(watched.job, None, is_attended=False).eta_seconds is None


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
