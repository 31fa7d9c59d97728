"""What is known of spans without bars, kept by both repositories, across the files they lie in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from adapters.candle_store.repository import CandleFiles
from adapters.in_memory import InMemoryCandleRepository
from domain.candles.candles import Candles
from domain.candles.coverage import Coverage
from domain.candles.dataset import Dataset, Interval
from domain.candles.ports import CandleRepository
from domain.candles.span_states import SpanStates
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan

HOUR_MS = 3_600_000
NEW_YEAR_MS = 1_704_067_200_000  # 2024-01-01: hourly files are cut here
DATASET = Dataset("memory", "BTC/USD", Interval("1h"))
TOLD = {
    "denied": (-4, -3),
    "refused": (-3, -2),
    "unlisted": (-20, -5),
    "out_of_reach": (-5, -4),
    "doubtful": (-1, 1),
    "unanswered": (4, 9),
}


@pytest.fixture(params=["memory", "files"])
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> CandleRepository:
    return InMemoryCandleRepository() if request.param == "memory" else CandleFiles(tmp_path)


def hours(first: int, last: int) -> TimeSpan:
    """Hours around the turn of the year, negative ones before it."""
    return TimeSpan(NEW_YEAR_MS + first * HOUR_MS, NEW_YEAR_MS + last * HOUR_MS)


def bars(*numbers: int) -> Candles:
    times = NEW_YEAR_MS + np.array(numbers, np.int64) * HOUR_MS
    ones = np.ones(len(times))
    return Candles(times, ones, ones, ones, ones, ones)


def test_states_of_spans_are_kept_in_the_files_they_lie_in(repository: CandleRepository) -> None:
    told = {name: SpanSet([hours(*pair)]) for name, pair in TOLD.items()}
    repository.save(DATASET, hours(-20, 9), bars(2), states=SpanStates(**told), source="archive")
    coverage = repository.coverage(DATASET, hours(-20, 12))
    by_word = SpanSet([hours(-2, -1), hours(1, 2), hours(3, 4)])
    expected = {**told, "denied": told["denied"] | by_word, "denied_without_evidence": by_word}
    assert coverage == Coverage(hours(-20, 12), stored=SpanSet([hours(2, 3)]), **expected)
    assert coverage.missing == (hours(-1, 1), hours(4, 12))


def test_a_later_answer_takes_the_place_of_a_state(repository: CandleRepository) -> None:
    told = SpanStates(**{name: SpanSet([hours(*pair)]) for name, pair in TOLD.items()})
    repository.save(DATASET, hours(-20, 9), bars(2), states=told)
    repository.save(DATASET, hours(-1, 5), bars(-1, 4))
    coverage = repository.coverage(DATASET, hours(-20, 12))
    assert coverage.missing == (hours(5, 12),)
    assert coverage.stored == (hours(-1, 0), hours(2, 3), hours(4, 5))
    assert coverage.doubtful == ()
