"""One suite over every candle repository: the shipped fake and the files on disk keep the same promises."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.candle_store.repository import CandleFiles
from adapters.in_memory import InMemoryCandleRepository
from domain.candles.candles import Candles
from domain.candles.dataset import Dataset, Interval
from domain.candles.history import SaveResult
from domain.candles.ports import CandleRepository
from domain.candles.revisions import Revisions
from domain.candles.validation import QuarantinedCandle
from domain.spans.time_span import TimeSpan

Repository: TypeAlias = CandleFiles | InMemoryCandleRepository
Opener: TypeAlias = Callable[[], Repository]

HOUR_MS = 3_600_000
NEW_YEAR_MS = 1_704_067_200_000  # 2024-01-01: hourly files are cut here
DATASET = Dataset("memory", "BTC/USD", Interval("1h"))
WINDOW = TimeSpan(NEW_YEAR_MS - 20 * HOUR_MS, NEW_YEAR_MS + 20 * HOUR_MS)


@pytest.fixture(scope="module", params=["memory", "files"])
def open_repository(request: pytest.FixtureRequest) -> Iterator[Opener]:
    """Gives an empty repository on each call."""
    with tempfile.TemporaryDirectory() as folder:
        if request.param == "memory":
            yield InMemoryCandleRepository
        else:
            yield lambda: CandleFiles(tempfile.mkdtemp(dir=folder))


@pytest.fixture
def repository(open_repository: Opener) -> Repository:
    return open_repository()


def hours(first: int, last: int) -> TimeSpan:
    """Hours around the turn of the year, negative ones before it."""
    return TimeSpan(NEW_YEAR_MS + first * HOUR_MS, NEW_YEAR_MS + last * HOUR_MS)


def candles(bars: dict[int, float]) -> Candles:
    """Bars by their hour."""
    times = np.array([NEW_YEAR_MS + hour * HOUR_MS for hour in sorted(bars)], np.int64)
    values = np.array([bars[hour] for hour in sorted(bars)], np.float64)
    return Candles(times, values, values, values, values, values, {"trades": times // HOUR_MS, "vwap": values})


def as_dict(found: Candles) -> dict[int, float]:
    stored_hours = ((found.open_time_ms - NEW_YEAR_MS) // HOUR_MS).tolist()
    return dict(zip(stored_hours, found.close.tolist(), strict=True))


def hours_in(spans: Sequence[TimeSpan]) -> set[int]:
    return {
        (opening - NEW_YEAR_MS) // HOUR_MS for span in spans for opening in range(span.start_ms, span.end_ms, HOUR_MS)
    }


@st.composite
def saves(draw: st.DrawFn) -> tuple[int, int, dict[int, float]]:
    first = draw(st.integers(-15, 14))
    last = draw(st.integers(first, 15))
    values = st.sampled_from([0.0, -0.0, 1.0, 2.0])
    return first, last, draw(st.dictionaries(st.integers(first, last - 1), values) if last > first else st.just({}))


@settings(max_examples=40, deadline=None)
@given(saved=st.lists(saves(), max_size=6), data=st.data())
def test_any_sequence_of_saves_leaves_what_dictionaries_would_now_and_at_every_moment_before(
    open_repository: Opener, saved: list[tuple[int, int, dict[int, float]]], data: st.DataObject
) -> None:
    repository: CandleRepository = open_repository()
    bars: dict[int, float] = {}
    asked: set[int] = set()
    provisional: set[int] = set()
    seen = [bars]
    changes: list[tuple[int, int, float, float]] = []
    for moment, (first, last, new) in enumerate(saved, start=1):
        changed = {hour for hour, value in new.items() if hour in bars and repr(bars[hour]) != repr(value)}
        changes += [(hour, moment, bars[hour], new[hour]) for hour in changed]
        unsettled_from = data.draw(st.none() | st.integers(first - 2, last + 2))
        provisional_from_ms = None if unsettled_from is None else hours(unsettled_from, unsettled_from).start_ms
        result = repository.save(DATASET, hours(first, last), candles(new), provisional_from_ms, as_of_ms=moment)
        assert result == SaveResult(len(new.keys() - bars.keys()), len(changed))
        bars = {**bars, **new}
        asked |= set(range(first, last))
        provisional -= set(range(first, last))
        provisional |= set() if unsettled_from is None else set(range(max(first, unsettled_from), last))
        seen.append(bars)
    for moment, then in enumerate(seen):
        assert repr(as_dict(repository.read(DATASET, WINDOW, as_of_ms=moment))) == repr(dict(sorted(then.items())))
    assert repr(as_dict(repository.read(DATASET, WINDOW))) == repr(dict(sorted(bars.items())))
    coverage = repository.coverage(DATASET, WINDOW)
    assert hours_in(coverage.provisional) == provisional
    assert hours_in(coverage.stored) == bars.keys() - provisional
    assert hours_in(coverage.denied) == asked - bars.keys() - provisional
    assert hours_in(coverage.missing) == set(range(-20, 20)) - asked
    assert repository.datasets() == ([DATASET] if asked else [])
    assert repr(as_changes(repository.revisions(DATASET, WINDOW))) == repr(sorted(changes))


def as_changes(revisions: Revisions) -> list[tuple[int, int, float, float]]:
    """Hour, moment, old close, new close."""
    assert revisions.old.open_time_ms.tolist() == revisions.new.open_time_ms.tolist()
    stored_hours = ((revisions.old.open_time_ms - NEW_YEAR_MS) // HOUR_MS).tolist()
    columns = (revisions.as_of_ms, revisions.old.close, revisions.new.close)
    return list(zip(stored_hours, *(column.tolist() for column in columns), strict=True))


def test_saving_the_same_again_changes_nothing(repository: Repository) -> None:
    assert repository.save(DATASET, hours(-5, 5), candles({-1: 1.0, 1: math.nan})) == SaveResult(2, 0)
    assert repository.save(DATASET, hours(-5, 5), candles({-1: 1.0, 1: math.nan})) == SaveResult(0, 0)


def test_the_newest_bar_wins(repository: Repository) -> None:
    repository.save(DATASET, hours(0, 3), candles({0: 1.0, 1: 1.0}))
    assert repository.save(DATASET, hours(1, 3), candles({1: 9.0, 2: 9.0})) == SaveResult(1, 1)
    assert as_dict(repository.read(DATASET, WINDOW)) == {0: 1.0, 1: 9.0, 2: 9.0}


def test_a_column_that_comes_later_replaces_only_the_bars_that_bring_it(repository: Repository) -> None:
    plain = candles({0: 1.0, 1: 1.0})
    columns = {name: column for name, column in plain.columns().items() if name != "vwap"}
    repository.save(DATASET, hours(0, 2), Candles.from_columns(columns))
    assert repository.save(DATASET, hours(1, 2), candles({1: 1.0})) == SaveResult(0, 1)
    np.testing.assert_array_equal(repository.read(DATASET, WINDOW).columns()["vwap"], [math.nan, 1.0])


def test_what_was_asked_and_found_empty_is_not_missing(repository: Repository) -> None:
    assert repository.save(DATASET, hours(-5, 5), Candles.empty()) == SaveResult(0, 0)
    coverage = repository.coverage(DATASET, hours(-5, 5))
    assert (coverage.missing, coverage.stored) == ((), ())
    assert coverage.denied == (hours(-5, 5),)
    assert len(repository.read(DATASET, WINDOW)) == 0


def test_asking_for_no_time_at_all_leaves_no_trace(repository: Repository) -> None:
    repository.save(DATASET, hours(3, 3), Candles.empty())
    assert repository.datasets() == []


def test_runs_of_bars_are_one_across_the_files_they_lie_in(repository: Repository) -> None:
    repository.save(DATASET, hours(-2, 2), candles({-2: 1.0, -1: 1.0, 0: 1.0, 1: 1.0}))
    assert repository.coverage(DATASET, WINDOW).stored == (hours(-2, 2),)


def test_coverage_and_candles_are_cut_to_the_span(repository: Repository) -> None:
    repository.save(DATASET, hours(-5, 5), candles({-4: 1.0, -3: 1.0, 4: 1.0}))
    coverage = repository.coverage(DATASET, hours(-3, 1))
    assert (coverage.stored, coverage.denied) == ((hours(-3, -2),), (hours(-2, 1),))
    assert as_dict(repository.read(DATASET, hours(-3, 4))) == {-3: 1.0}


def test_nothing_is_known_of_a_dataset_never_saved(repository: Repository) -> None:
    assert repository.coverage(DATASET, WINDOW).missing == (WINDOW,)
    assert len(repository.read(DATASET, WINDOW)) == 0
    assert repository.datasets() == []


def test_candles_outside_of_what_was_asked_are_refused_and_nothing_is_saved(repository: Repository) -> None:
    with pytest.raises(ValueError, match="outside of the span"):
        repository.save(DATASET, hours(0, 2), candles({0: 1.0, 2: 1.0}))
    assert repository.coverage(DATASET, WINDOW).missing == (WINDOW,)


@pytest.mark.parametrize(
    "other",
    [
        Dataset("other", "BTC/USD", Interval("1h")),
        Dataset("memory", "BTC%2FUSD", Interval("1h")),
        Dataset("memory", "BTC/USD", Interval("60m")),
        Dataset("memory", "BTC/USD", Interval("1h"), variant="split"),
        Dataset.fixed("memory", "BTC/USD", Interval("1h"), anchor_ms=HOUR_MS),
    ],
    ids=str,
)
def test_datasets_that_differ_in_any_part_are_kept_apart(repository: Repository, other: Dataset) -> None:
    repository.save(DATASET, hours(0, 1), candles({0: 1.0}))
    assert repository.coverage(other, WINDOW).missing == (WINDOW,)
    repository.save(other, hours(0, 1), candles({0: 2.0}))
    assert as_dict(repository.read(DATASET, WINDOW)) == {0: 1.0}
    assert as_dict(repository.read(other, WINDOW)) == {0: 2.0}
    assert len(repository.datasets()) == 2
    assert set(repository.datasets()) == {DATASET, other}


def test_datasets_are_listed_in_order_of_broker_symbol_and_interval(repository: Repository) -> None:
    names = [("b", "A", "1h"), ("a", "B", "1h"), ("a", "B", "1d"), ("a", "^A", "1h"), ("a", "..", "1h")]
    for broker, symbol, interval in names:
        repository.save(Dataset(broker, symbol, Interval(interval)), TimeSpan(0, 7 * 24 * HOUR_MS), Candles.empty())
    listed = [(found.broker, found.symbol, str(found.interval)) for found in repository.datasets()]
    assert listed == sorted(names)


def test_what_was_answered_too_early_is_provisional_until_it_is_answered_again(repository: Repository) -> None:
    repository.save(DATASET, hours(-5, 5), candles({-5: 1.0, 2: 1.0, 3: 1.0}), provisional_from_ms=hours(2, 2).start_ms)
    coverage = repository.coverage(DATASET, hours(-5, 5))
    assert coverage.provisional == (hours(2, 5),)
    assert (coverage.stored, coverage.denied) == ((hours(-5, -4),), (hours(-4, 2),))
    assert coverage.is_complete
    assert coverage.to_ask(hours(4, 4).start_ms) == (hours(2, 4),)
    assert as_dict(repository.read(DATASET, WINDOW)) == {-5: 1.0, 2: 1.0, 3: 1.0}
    repository.save(DATASET, hours(2, 4), candles({2: 1.0, 3: 1.0}))
    coverage = repository.coverage(DATASET, hours(-5, 5))
    assert (coverage.provisional, coverage.stored[-1]) == ((hours(4, 5),), hours(2, 4))


def test_a_moment_inside_a_bar_makes_the_next_one_the_first_provisional(repository: Repository) -> None:
    repository.save(DATASET, hours(0, 3), Candles.empty(), provisional_from_ms=hours(1, 1).start_ms + 1)
    assert repository.coverage(DATASET, WINDOW).provisional == (hours(2, 3),)


def test_a_changed_bar_is_recorded_and_read_as_it_was_known(repository: Repository) -> None:
    repository.save(DATASET, hours(-1, 1), candles({-1: 1.0, 0: 1.0}), as_of_ms=100)
    repository.save(DATASET, hours(-1, 1), candles({-1: 2.0, 0: 1.0}), as_of_ms=200)
    repository.save(DATASET, hours(-1, 1), candles({-1: 3.0, 0: 1.0}), as_of_ms=300)
    repository.save(DATASET, hours(-1, 1), candles({-1: 3.0, 0: 1.0}), as_of_ms=400)
    assert as_changes(repository.revisions(DATASET, WINDOW)) == [(-1, 200, 1.0, 2.0), (-1, 300, 2.0, 3.0)]
    assert len(repository.revisions(DATASET, hours(0, 5))) == 0
    read = {moment: as_dict(repository.read(DATASET, WINDOW, moment)) for moment in (99, 100, 200, 299, 300)}
    assert (read[99], read[100], read[200]) == ({}, {-1: 1.0, 0: 1.0}, {-1: 2.0, 0: 1.0})
    assert (read[299], read[300]) == (read[200], {-1: 3.0, 0: 1.0})


def test_a_bar_that_came_late_was_not_known_before(repository: Repository) -> None:
    repository.save(DATASET, hours(0, 3), candles({0: 1.0}), as_of_ms=100)
    repository.save(DATASET, hours(0, 3), candles({0: 1.0, 2: 2.0}), as_of_ms=200)
    assert as_dict(repository.read(DATASET, WINDOW, 199)) == {0: 1.0}
    assert as_dict(repository.read(DATASET, WINDOW, 200)) == {0: 1.0, 2: 2.0}
    assert len(repository.revisions(DATASET, WINDOW)) == 0


def test_a_clock_that_steps_back_replaces_no_bar_before_it_was_known(repository: Repository) -> None:
    for as_of_ms, value in ((500, 1.0), (400, 2.0), (600, 3.0), (450, 4.0)):
        repository.save(DATASET, hours(0, 1), candles({0: value}), as_of_ms=as_of_ms)
    changes = [(0, 500, 1.0, 2.0), (0, 600, 2.0, 3.0), (0, 600, 3.0, 4.0)]
    assert as_changes(repository.revisions(DATASET, WINDOW)) == changes
    assert as_dict(repository.read(DATASET, WINDOW, 499)) == {}
    assert as_dict(repository.read(DATASET, WINDOW, 500)) == {0: 2.0}


def test_a_dataset_is_collected_by_one_at_a_time(repository: Repository) -> None:
    other = Dataset("memory", "other", Interval("1h"))
    with repository.collecting(DATASET) as first:
        assert first.try_take()
        assert first.try_take()
        with repository.collecting(DATASET) as second, repository.collecting(other) as elsewhere:
            assert not second.try_take()
            assert elsewhere.try_take()
        with repository.collecting(DATASET) as third:
            assert not third.try_take()
    with repository.collecting(DATASET) as fourth:
        assert fourth.try_take()
    assert repository.datasets() == []


def test_what_is_whole_is_not_set_aside(repository: Repository) -> None:
    repository.save(DATASET, hours(0, 1), candles({0: 1.0}))
    assert (repository.damaged(DATASET), repository.set_aside(DATASET)) == ([], [])
    assert as_dict(repository.read(DATASET, WINDOW)) == {0: 1.0}


def test_the_same_refused_candle_is_kept_once(repository: Repository) -> None:
    bad = QuarantinedCandle(NEW_YEAR_MS, "conflicting duplicate", (("open", math.nan), ("trades", 3)))
    contradicting = QuarantinedCandle(NEW_YEAR_MS, "conflicting duplicate", (("open", math.inf), ("trades", 3)))
    repository.quarantine(DATASET, [bad, contradicting, bad])
    repository.quarantine(DATASET, [contradicting])
    repository.quarantine(DATASET, [])
    assert repr(quarantined(repository)) == repr([bad, contradicting])


def test_refused_candles_are_no_answer(repository: Repository) -> None:
    repository.quarantine(DATASET, [QuarantinedCandle(NEW_YEAR_MS, "volume is negative", (("volume", -1.0),))])
    assert repository.coverage(DATASET, WINDOW).missing == (WINDOW,)
    assert repository.datasets() == []


def quarantined(repository: Repository) -> list[QuarantinedCandle]:
    if isinstance(repository, CandleFiles):
        return repository.quarantined(DATASET)
    return repository.quarantined[DATASET]
