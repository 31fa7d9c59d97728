"""kill -9, or no room on the disk, at any step of a save: what is read afterwards is the old or the new, whole."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest

from adapters.candle_store.repository import CandleFiles
from adapters.job_store.journal import JobJournal
from domain.candles.candles import Candles
from domain.candles.dataset import Dataset, Interval
from domain.jobs.status import JobStatus
from domain.spans.time_span import TimeSpan
from tests.contract.crash_points import kill_at_every_step, refuse_every_step
from tests.contract.job_store_examples import batch_report, later, started
from tests.contract.permit_record_examples import ended, file_record, permit

AtEveryStep = Callable[..., int]
CUT_SHORT = pytest.mark.parametrize("at_every_step", [kill_at_every_step, refuse_every_step])
HOUR_MS = 3_600_000
NEW_YEAR_MS = 1_577_836_800_000  # 2020, where one file ends and the next begins
DATASET = Dataset("memory", "A", Interval("1h"))


def hours(first: int, last: int) -> TimeSpan:
    return TimeSpan(NEW_YEAR_MS + first * HOUR_MS, NEW_YEAR_MS + last * HOUR_MS)


def candles_in(span: TimeSpan) -> Candles:
    times = np.arange(span.start_ms, span.end_ms, HOUR_MS)
    prices = 100 + np.sin(times / HOUR_MS)
    return Candles(times, prices, prices, prices, prices, prices)


@CUT_SHORT
def test_a_save_of_candles_cut_short_leaves_each_file_as_it_was_or_as_it_should_be(
    tmp_path: Path, at_every_step: AtEveryStep
) -> None:
    before, asked, whole = hours(-50, 20), hours(-10, 60), hours(-50, 60)

    def prepare(place: Path) -> None:
        CandleFiles(place).save(DATASET, before, candles_in(before))

    def act(place: Path) -> None:
        CandleFiles(place).save(DATASET, asked, candles_in(asked))

    def check(place: Path) -> None:
        files = CandleFiles(place)
        missing = files.coverage(DATASET, whole).missing
        assert missing in ((), (hours(20, 60),))
        assert files.read(DATASET, whole).identical(candles_in(whole if not missing else before))
        act(place)
        assert files.coverage(DATASET, whole).missing == ()
        assert files.read(DATASET, whole).identical(candles_in(whole))
        assert list(place.rglob("*.tmp*")) == []

    assert at_every_step(tmp_path, prepare, act, check) > 10


def test_a_save_of_events_killed_at_any_step_leaves_a_job_that_loads_and_goes_on(tmp_path: Path) -> None:
    def journal(place: Path) -> JobJournal:
        return JobJournal.sqlite(place / "jobs.sqlite")

    def prepare(place: Path) -> None:
        store = journal(place)
        started(store)
        store.close()

    def act(place: Path) -> None:
        store = journal(place)
        job = store.job(store.job_ids()[0])
        job.record_batch(batch_report(job), timestamp=later(2))
        job.pause("shutdown", timestamp=later(3))
        store.save(job)

    def check(place: Path) -> None:
        store = journal(place)
        job = store.job(store.job_ids()[0])
        assert (job.status, job.candles_saved, job.version) in ((JobStatus.RUNNING, 0, 2), (JobStatus.PAUSED, 10, 4))
        assert [entry.version for entry in store.history(job.job_id)] == list(range(1, job.version + 1))
        if job.status is JobStatus.RUNNING:
            job.take_over("its coordinator was gone", timestamp=later(4))
            store.save(job)
        store.close()

    assert kill_at_every_step(tmp_path, prepare, act, check) > 10


def note(place: Path, name: str) -> None:
    with suppress(OSError):
        (place / f"{name} was granted").touch()


@CUT_SHORT
def test_a_permit_record_cut_short_forgets_no_permit(tmp_path: Path, at_every_step: AtEveryStep) -> None:
    def prepare(place: Path) -> None:
        record = file_record(place)
        record.open()
        record.granted([permit("before")])
        record.close()

    def act(place: Path) -> None:
        with closing(file_record(place, session="two")) as record:
            record.open()
            record.granted([first := permit("first")])
            note(place, "first")
            record.completed(ended(first, first.granted_at + 1))
            record.granted([permit("second")])
            note(place, "second")

    def check(place: Path) -> None:
        record = file_record(place, session="three")
        known = record.open()
        granted = {name for name in ("first", "second") if (place / f"{name} was granted").exists()}
        is_complete = known.complete_since == float("-inf")
        assert not is_complete or {"before", *granted} <= {granted.permit_id for granted in known.permits}
        record.close()

    assert at_every_step(tmp_path, prepare, act, check) > 10
