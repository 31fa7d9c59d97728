"""Whatever happens to a job, in any order: its counts add up, and reloading it changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from adapters.job_store.journal import JobJournal
from domain.candles.dataset import Interval
from domain.jobs.batches import BatchReport, SymbolFailure
from domain.jobs.job import CollectionJob
from domain.jobs.request import CollectionRequest, FailureAllowance
from domain.jobs.status import JobStatus
from domain.spans.time_span import TimeSpan

SYMBOLS = tuple(f"S{number}" for number in range(7))
REQUEST = CollectionRequest(
    broker="binance",
    account="default",
    symbols=SYMBOLS,
    interval=Interval("1m"),
    span=TimeSpan(0, 86_400_000),
    batch_size=3,
    max_failures=FailureAllowance(count=2),
)


class JobLife(RuleBasedStateMachine):
    """Random commands on a job, saved after each, and a plain count of its failed symbols beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2024, 3, 1, tzinfo=UTC)
        self.journal = JobJournal.in_memory()
        self.job = self.journal.job(self.journal.submit(REQUEST, self.now))
        self.plan = self.journal.plan(self.job.job_id)
        self.failed: set[str] = set()
        self.requests = 0
        self.work_done = 0.0

    @rule(seconds=some.integers(0, 100))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.job.status is JobStatus.PENDING)
    @rule()
    def start(self) -> None:
        self.job.start(timestamp=self.now)

    @precondition(lambda self: self.job.status is JobStatus.RUNNING)
    @rule()
    def take_over(self) -> None:
        self.job.take_over(timestamp=self.now)

    @precondition(lambda self: self.job.status is JobStatus.RUNNING)
    @rule(command_id=some.sampled_from(["", "c1", "c2"]))
    def pause(self, command_id: str) -> None:
        self.job.pause("pause", timestamp=self.now, command_id=command_id)

    @precondition(lambda self: self.job.status is JobStatus.PAUSED)
    @rule()
    def resume(self) -> None:
        self.job.resume(timestamp=self.now)

    @precondition(lambda self: self.job.status is JobStatus.RUNNING and self.job.all_batches_finished)
    @rule()
    def conclude(self) -> None:
        self.job.conclude(timestamp=self.now)

    @precondition(lambda self: self.job.status is JobStatus.RUNNING)
    @rule()
    def fail(self) -> None:
        self.job.fail("too_many_failures", timestamp=self.now)

    @precondition(lambda self: self.job.status.is_final and (self.failed or not self.job.all_batches_finished))
    @rule()
    def retry(self) -> None:
        if self.job.status is not JobStatus.CANCELLED:
            self.job.retry(timestamp=self.now)
            waiting = {symbol for _, symbols in self.job.remaining_batches(self.plan) for symbol in symbols}
            assert self.failed <= waiting

    @precondition(lambda self: self.job.status in (JobStatus.RUNNING, JobStatus.PAUSED))
    @rule(data=some.data(), finished=some.booleans())
    def report(self, data: some.DataObject, finished: bool) -> None:
        remaining = self.job.remaining_batches(self.plan)
        if not remaining:
            return
        batch, symbols = data.draw(some.sampled_from(remaining))
        fates = {symbol: data.draw(some.sampled_from(["done", "failed", "left"])) for symbol in symbols}
        failed = {symbol for symbol, fate in fates.items() if fate == "failed"}
        done = tuple(symbol for symbol, fate in fates.items() if fate == "done" or (finished and fate == "left"))
        failures = tuple(SymbolFailure(symbol, "SymbolRejected", "unknown", 1) for symbol in sorted(failed))
        in_part = data.draw(some.floats(0, len(symbols) - len(done) - len(failures)))
        outcome = BatchReport(batch, self.job.epoch, finished, done, failures, requests=1, in_part=in_part)
        if self.job.record_batch(outcome, timestamp=self.now):
            self.requests += 1
            has_completed = batch not in dict(self.job.remaining_batches(self.plan))
            self.failed = (self.failed - set(symbols) if has_completed else self.failed) | failed
        assert not self.job.record_batch(outcome, timestamp=self.now)

    @invariant()
    def reloading_changes_nothing(self) -> None:
        self.journal.save(self.job)
        reloaded: CollectionJob = self.journal.job(self.job.job_id)
        assert reloaded == self.job
        self.job = reloaded

    @invariant()
    def the_counts_add_up(self) -> None:
        job = self.job
        assert set(job.failed_symbols) == self.failed
        assert job.requests == self.requests
        assert job.symbols_completed + job.symbols_failed <= len(SYMBOLS)
        if job.all_batches_finished:
            assert job.symbols_completed + job.symbols_failed == len(SYMBOLS)

    @invariant()
    def work_is_never_undone_and_all_of_it_is_done_when_every_batch_is(self) -> None:
        work = self.job.work
        assert self.work_done <= work.done + 1e-9
        assert work.done <= work.total
        assert (work.left == 0) or not self.job.all_batches_finished
        self.work_done = work.done

    @invariant()
    def no_symbol_waits_twice_and_none_is_lost(self) -> None:
        remaining = self.job.remaining_batches(self.plan)
        waiting = [symbol for _, symbols in remaining for symbol in symbols]
        assert len(set(waiting)) == len(waiting)
        assert all(symbols for _, symbols in remaining)
        assert self.job.symbols_completed >= len(SYMBOLS) - len(set(waiting) | self.failed)

    @invariant()
    def the_times_fit_the_status(self) -> None:
        job = self.job
        assert job.status.is_final == (job.completed_at is not None)
        assert (job.started_at is None) == (job.epoch == 0)
        if job.status is JobStatus.COMPLETED:
            assert job.all_batches_finished


JobLife.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
test_any_life_of_a_job = JobLife.TestCase
