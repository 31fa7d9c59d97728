"""Bars of calendar grids in both repositories and every reader: what came, was denied, was never asked."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.use_cases.candle_proof import CandleProof, Scope
from adapters.calendars import TradingCalendars
from adapters.candle_store.layout import dataset_of, folder_of, split
from adapters.candle_store.repository import CandleFiles
from adapters.grids import calendar_grid
from adapters.in_memory import InMemoryCandleRepository
from adapters.reading.export import export
from adapters.reading.parquet_mirror import ParquetMirror
from adapters.reading.reader import CandleReader
from domain.candles.candles import Candles
from domain.candles.dataset import Dataset, Interval
from domain.candles.history import CandleHistory
from domain.errors import SettingsError, StorageUnavailable
from domain.spans.calendar_grid import CalendarGrid
from domain.spans.grid import ALL_TIME
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan

Repository = CandleFiles | InMemoryCandleRepository
NEW_YORK = "America/New_York"
HOUR_MS = 3_600_000


def dataset(
    interval: str, zone: str = NEW_YORK, hour: int = 0, weekday: str = "monday", first_year: int = 2023
) -> Dataset:
    length, years = Interval(interval), (first_year, 2026)
    return Dataset("memory", "EUR/USD", length, "price=mid", calendar_grid(length, zone, hour, weekday, years))


DATASETS = [
    dataset("1d"),
    dataset("1d", hour=17),
    dataset("1w", hour=17, weekday="friday"),
    dataset("1M", "UTC", first_year=2018),
    dataset("4h"),
    dataset("4h", hour=17),
]
DAYS, MONTHS, HOURS = DATASETS[0], DATASETS[3], DATASETS[4]


@pytest.fixture(scope="module", params=["memory", "files"])
def open_repository(request: pytest.FixtureRequest) -> Iterator[Callable[[], Repository]]:
    with tempfile.TemporaryDirectory() as folder:
        yield (
            InMemoryCandleRepository if request.param == "memory" else lambda: CandleFiles(tempfile.mkdtemp(dir=folder))
        )


def bars(of: Dataset, numbers: set[int], value: float = 1.0) -> Candles:
    assert isinstance(of.grid, CalendarGrid)
    times = of.grid.starts_ms[sorted(numbers)]
    values = np.full(len(times), value)
    return Candles(times, values, values, values, values, values)


def between(of: Dataset, first: int, end: int) -> TimeSpan:
    assert isinstance(of.grid, CalendarGrid)
    return TimeSpan(*of.grid.edges(np.array([first, end])).tolist())


def numbers_in(of: Dataset, spans: SpanSet) -> set[int]:
    assert isinstance(of.grid, CalendarGrid)
    return set(of.grid.positions(of.grid.openings(spans)).tolist())


@given(
    st.sampled_from(DATASETS),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 20), st.sets(st.integers(0, 19))), max_size=4),
    st.sampled_from(["spring", "autumn", "new year"]),
)
@settings(max_examples=40, deadline=None)
def test_gaps_are_told_apart_from_bars_and_from_what_was_never_asked(
    open_repository: Callable[[], Repository],
    of: Dataset,
    answers: list[tuple[int, int, set[int]]],
    season: str,
) -> None:
    assert isinstance(of.grid, CalendarGrid)
    repository, asked, stored = open_repository(), set[int](), dict[int, float]()
    # Where clocks are changed, and where files of hours are cut.
    date = {"spring": "2024-03-08", "autumn": "2024-11-01", "new year": "2023-12-29"}[season]
    first_ms = of.grid.floor(int(np.datetime64(date, "ms").astype(np.int64)))
    start = min(int(of.grid.positions(np.array([first_ms]))[0]), len(of.grid.starts_ms) - 50)
    for moment, (first, length, present) in enumerate(answers, start=1):
        span = between(of, start + first, start + first + length)
        came = {start + first + number for number in present if number < length}
        repository.save(of, span, bars(of, came, float(moment)), as_of_ms=moment)
        asked |= set(range(start + first, start + first + length))
        stored |= dict.fromkeys(came, float(moment))
    whole = between(of, start, start + 36)
    coverage = repository.coverage(of, whole)
    assert numbers_in(of, coverage.stored) == stored.keys() & set(range(start, start + 36))
    assert numbers_in(of, coverage.denied) == (asked - stored.keys()) & set(range(start, start + 36))
    assert numbers_in(of, coverage.missing) == set(range(start, start + 36)) - asked
    found = repository.read(of, ALL_TIME)
    assert dict(zip(of.grid.positions(found.open_time_ms).tolist(), found.close.tolist(), strict=True)) == stored
    assert all(known == of for known in repository.datasets())


def store(folder: Path) -> CandleFiles:
    """What needs a zone to be written, and none to be read."""
    files = CandleFiles(folder)
    files.save(DAYS, between(DAYS, 60, 80), bars(DAYS, set(range(62, 75))))
    files.save(MONTHS, between(MONTHS, 2, 30), bars(MONTHS, set(range(2, 30)) - {7}))
    files.save(HOURS, between(HOURS, 0, 30), bars(HOURS, set(range(20))))
    files.save(HOURS, between(HOURS, 5000, 5030), bars(HOURS, set(range(5000, 5030))))
    return files


def test_a_store_tells_where_its_bars_open_without_a_time_zone(tmp_path: Path) -> None:
    known = {one.interval.name: one for one in store(tmp_path).datasets()}
    assert isinstance(known["1d"].grid, CalendarGrid)
    assert known["1d"] == DAYS
    assert known["1d"].grid.known == between(DAYS, 60, 80)
    assert known["4h"].count([known["4h"].grid.known]) == 60
    assert folder_of(tmp_path, MONTHS).relative_to(tmp_path).parts == ("memory", "1mo", "price=mid", "EUR%2FUSD")
    assert folder_of(tmp_path, DAYS).parent.parent.name == "1d@America%2FNew_York"


@pytest.mark.parametrize("of", DATASETS)
def test_every_calendar_has_a_folder_of_its_own_that_tells_its_name(of: Dataset) -> None:
    folder = folder_of(Path("/root"), of)
    assert dataset_of(Path("/root"), folder) == of
    assert len({folder_of(Path("/root"), one) for one in DATASETS}) == len(DATASETS)


def test_hours_lie_in_years_and_longer_bars_in_one_file() -> None:
    assert [name for name, _ in split(HOURS, between(HOURS, 0, 5000))] == [
        "2023.candles",
        "2024.candles",
        "2025.candles",
    ]
    assert [name for name, _ in split(DAYS, between(DAYS, 0, 1000))] == ["all.candles"]


def test_a_reader_gives_what_was_collected_after_it_had_looked(tmp_path: Path) -> None:
    files = store(tmp_path)
    reader = CandleReader(files)
    assert len(reader.candles("EUR/USD", "1d")) == 13
    files.save(DAYS, between(DAYS, 80, 90), bars(DAYS, set(range(80, 90))))
    assert len(reader.candles("EUR/USD", "1d")) == 23
    assert len(reader.candles("EUR/USD", "1d", "2023-03-20", "2030-01-01")) == 10
    assert len(reader.candles("EUR/USD", "4h", "2024-02-01", "2030-01-01")) == 30
    (holding,) = reader.holdings("EUR/USD", "1d")
    assert (holding.bars, holding.bars_missing, holding.variant) == (23, 0, "price=mid")
    assert len(reader.to_polars("EUR/USD", "1M")) == 27


def test_an_older_answer_widens_what_a_file_knows(tmp_path: Path) -> None:
    files = store(tmp_path)
    (listed,) = (one for one in files.datasets() if one.interval.name == "1d")
    files.save(DAYS, between(DAYS, 10, 20), bars(DAYS, {12}))
    coverage = files.coverage(listed, ALL_TIME)
    assert coverage.span == between(DAYS, 10, 80)
    assert numbers_in(DAYS, coverage.missing) == set(range(20, 60))


def test_a_store_of_calendars_is_proven_and_mirrored(tmp_path: Path) -> None:
    files = store(tmp_path / "store")
    calendars, now = TradingCalendars(), datetime(2026, 1, 1, tzinfo=UTC)
    proof = CandleProof(files, files.quarantined, calendars.named, lambda: now)
    by_interval = {one.interval.name: one for one in files.datasets()}
    days = proof.certificate(Scope(by_interval["1d"], None, "XNYS"))
    assert (days.is_proven, days.bars) == (True, 13)
    assert days.completeness.bars(days.completeness.expected) == 14
    months = proof.certificate(Scope(MONTHS, between(MONTHS, 2, 30), "XNYS"))
    assert (months.is_proven, months.completeness.bars(months.completeness.gaps)) == (True, 1)
    assert proof.certificate(Scope(by_interval["4h"], None, None)).problems == (
        "[2023-01-06T05:00:00Z, 2025-04-13T12:00:00Z): 0 bars never answered",
    )
    whole = proof.certificate(Scope(HOURS, between(HOURS, 0, 30), "24/7"))
    assert (whole.is_proven, whole.bars) == (True, 20)
    report = ParquetMirror(tmp_path / "store", tmp_path / "mirror").update(files.datasets())
    assert [Path(path).relative_to(tmp_path / "mirror").as_posix() for path in sorted(report.written)] == [
        "broker=memory/interval=1d/adjustment=price%3Dmid/symbol=EUR%2FUSD/all@America%2FNew_York.parquet",
        "broker=memory/interval=1mo/adjustment=price%3Dmid/symbol=EUR%2FUSD/all.parquet",
        "broker=memory/interval=4h/adjustment=price%3Dmid/symbol=EUR%2FUSD/2023@America%2FNew_York.parquet",
        "broker=memory/interval=4h/adjustment=price%3Dmid/symbol=EUR%2FUSD/2025@America%2FNew_York.parquet",
    ]
    (table,) = export(files, [MONTHS], None, "csv", tmp_path / "out")
    assert (table.name, len(table.read_text().splitlines())) == ("memory_EUR%2FUSD_1mo_price=mid.csv", 28)


def test_a_calendar_of_another_edition_is_refused_and_not_called_damaged(tmp_path: Path) -> None:
    files = store(tmp_path)
    assert isinstance(DAYS.grid, CalendarGrid)
    moved = CalendarGrid(DAYS.grid.name, DAYS.grid.starts_ms + HOUR_MS, DAYS.grid.ends_ms + HOUR_MS)
    other = Dataset("memory", "EUR/USD", DAYS.interval, DAYS.variant, moved)
    with pytest.raises(StorageUnavailable, match="its calendar is another edition than this program's"):
        files.save(other, between(other, 80, 81), Candles.empty())
    with pytest.raises(StorageUnavailable, match="another edition"):
        files.coverage(other, between(other, 60, 80))
    assert files.damaged(DAYS) == []
    assert len(files.read(DAYS, ALL_TIME)) == 13


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("1d", "America/Gotham"), "there is no time zone 'America/Gotham'"),
        (("1d", NEW_YORK, 24), "an hour of the day, 0 to 23, not 24"),
        (("1w", NEW_YORK, 0, "someday"), "'someday' is no day of the week"),
        (("1m", NEW_YORK), "there is no calendar of 1m bars"),
        (("5M", "UTC"), "there is no calendar of 5M bars"),
        (("1d", "UTC"), "of one length: a fixed grid has them"),
    ],
)
def test_a_calendar_that_there_is_not_is_refused_in_words(arguments: tuple[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        dataset(*arguments)


def test_a_history_on_another_grid_is_not_written() -> None:
    from adapters.candle_store.format.segment import Segment, encode

    with pytest.raises(ValueError, match="off the dataset's grid"):
        encode(Segment(DAYS, CandleHistory(MONTHS.grid)))
