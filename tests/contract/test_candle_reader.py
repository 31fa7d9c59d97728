"""What a quant reads: by symbol, interval and span, from the fake and from files."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas
import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from adapters.candle_store.layout import folder_of
from adapters.candle_store.repository import CandleFiles
from adapters.in_memory import InMemoryCandleRepository
from adapters.reading.reader import CandleReader, Holding
from adapters.reading.tables import LongTable
from domain.candles.candles import Candles
from domain.candles.dataset import Dataset, Interval
from domain.errors import CorruptSegment, SettingsError
from domain.spans.time_span import TimeSpan

Repository: TypeAlias = CandleFiles | InMemoryCandleRepository

HOUR_MS = 3_600_000
NEW_YEAR_MS = 1_704_067_200_000  # 2024-01-01: hourly files are cut here
HOURS = Interval("1h")


@pytest.fixture(params=["memory", "files"])
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Repository:
    return InMemoryCandleRepository() if request.param == "memory" else CandleFiles(tmp_path)


@pytest.fixture
def reader(repository: Repository) -> CandleReader:
    """Hours of two symbols around the turn of the year, and days of one of them."""
    for number, symbol in enumerate(("BTCUSDT", "ETHUSDT")):
        save(repository, Dataset("binance", symbol, HOURS), -4, 8, 100.0 + number)
    save(repository, Dataset("binance", "BTCUSDT", Interval("1d")), -4, 8, 50.0)
    return CandleReader(repository)


def save(repository: Repository, dataset: Dataset, first: int, bars: int, price: float) -> None:
    interval_ms = dataset.interval.duration_ms
    times = NEW_YEAR_MS + np.arange(first, first + bars) * interval_ms
    values = price + np.arange(bars) / 10
    candles = Candles(times, values, values, values, values, values, {"trades": np.arange(bars)})
    repository.save(dataset, TimeSpan(int(times[0]), int(times[-1]) + interval_ms), candles)


def test_one_symbol_is_read_by_its_name_interval_and_span(reader: CandleReader) -> None:
    frame = reader.to_pandas("BTCUSDT", interval="1h", start="2023-12-31T22:00:00Z", end="2024-01-01T01:00:00Z")
    assert frame["timestamp"].dt.hour.tolist() == [22, 23, 0]
    assert frame["close"].tolist() == [100.2, 100.3, 100.4]
    assert frame["symbol"].tolist() == ["BTCUSDT"] * 3


@pytest.mark.parametrize(
    "start",
    [
        "2024-01-01",
        "2024-01-01T00:00:00Z",
        "2024-01-01T02:00:00+02:00",
        date(2024, 1, 1),
        datetime(2024, 1, 1, tzinfo=UTC),
        datetime(2023, 12, 31, 19, tzinfo=timezone(timedelta(hours=-5))),
        pandas.Timestamp("2024-01-01", tz="UTC"),
        pandas.Timestamp("2024-01-01", tz="UTC").as_unit("ns"),
    ],
)
def test_a_moment_may_be_written_in_every_way_that_means_one(reader: CandleReader, start: str | datetime) -> None:
    assert reader.candles("BTCUSDT", "1h", start=start).open_time_ms.tolist() == [
        NEW_YEAR_MS + hour * HOUR_MS for hour in range(4)
    ]


@pytest.mark.parametrize(
    ("start", "sentence"),
    [
        ("2024-01-01T00:00:00", "has no time zone"),
        (datetime(2024, 1, 1), "has no time zone"),  # noqa: DTZ001
        ("soon", "start: "),
        (17, "start: 17 is not a timestamp"),
    ],
)
def test_a_moment_that_could_mean_two_is_refused(reader: CandleReader, start: str | datetime, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        reader.to_pandas("BTCUSDT", "1h", start=start)
    with pytest.raises(SettingsError, match="must not come after"):
        reader.to_pandas("BTCUSDT", "1h", start="2024-01-02", end="2024-01-01")


def test_several_symbols_are_one_table_with_the_symbol_as_a_category(reader: CandleReader) -> None:
    wanted = ["ETHUSDT", "BTCUSDT", "ETHUSDT"]
    pandas_frame = reader.to_pandas(wanted, "1h")
    assert isinstance(pandas_frame["symbol"].dtype, pandas.CategoricalDtype)
    assert pandas_frame["symbol"].tolist() == ["ETHUSDT"] * 8 + ["BTCUSDT"] * 8
    assert pandas_frame["symbol"].memory_usage(index=False) < 16 * 8
    polars_frame = reader.to_polars(wanted, "1h")
    assert polars_frame.schema["symbol"] == polars.Categorical
    assert (
        polars_frame.filter(polars.col("symbol") == "BTCUSDT")["close"].to_list()
        == (100.0 + np.arange(8) / 10).tolist()
    )
    arrow_table = reader.to_arrow(wanted, "1h")
    assert str(arrow_table.schema.field("symbol").type).startswith("dictionary<values=string")
    assert arrow_table["symbol"].to_pylist() == pandas_frame["symbol"].tolist()


def test_tables_of_different_symbols_can_be_put_together_and_made_wide(reader: CandleReader) -> None:
    both = polars.concat([reader.to_polars("BTCUSDT", "1h"), reader.to_polars("ETHUSDT", "1h")])
    assert both.height == 16
    wide = reader.to_pandas(["BTCUSDT", "ETHUSDT"], "1h").pivot(index="timestamp", columns="symbol", values="close")
    assert list(wide.columns) == ["BTCUSDT", "ETHUSDT"]
    assert wide["ETHUSDT"].tolist() == (101.0 + np.arange(8) / 10).tolist()


def test_the_interval_may_be_left_out_where_the_store_leaves_no_choice(reader: CandleReader) -> None:
    assert len(reader.candles("ETHUSDT")) == 8
    with pytest.raises(SettingsError, match="several datasets of BTCUSDT"):
        reader.candles("BTCUSDT")


@pytest.mark.parametrize(
    ("symbol", "interval", "sentence"),
    [
        ("BTCUSD", "1h", r"no 1h candles of BTCUSD are stored: did you mean BTCUSDT"),
        ("eth", "1h", r"no 1h candles of eth are stored: did you mean ETHUSDT\?"),
        ("ETHUSDT", "1d", r"no 1d candles of ETHUSDT are stored: of that symbol there is 1h"),
        ("XRP", "", r"no candles of XRP are stored: collect them first"),
    ],
)
def test_what_is_not_stored_is_answered_with_what_is(
    reader: CandleReader, symbol: str, interval: str, sentence: str
) -> None:
    with pytest.raises(SettingsError, match=sentence):
        reader.to_arrow(symbol, interval)


def test_what_was_stored_after_the_reader_was_made_is_found(reader: CandleReader, repository: Repository) -> None:
    assert reader.symbols("1h") == ["BTCUSDT", "ETHUSDT"]
    save(repository, Dataset("binance", "NEW", HOURS), 0, 2, 1.0)
    assert len(reader.candles("NEW")) == 2
    assert reader.symbols("1h") == ["BTCUSDT", "ETHUSDT", "NEW"]
    assert reader.symbols("1d") == ["BTCUSDT"]
    assert reader.symbols(broker="kraken") == []


def test_holdings_tell_from_when_to_when_and_what_is_missing_between(
    reader: CandleReader, repository: Repository
) -> None:
    save(repository, Dataset("binance", "ETHUSDT", HOURS), 6, 2, 1.0)
    (told,) = reader.holdings("ETHUSDT", "1h")
    assert told == Holding(
        "binance",
        "ETHUSDT",
        "1h",
        "",
        bars=10,
        start=datetime(2023, 12, 31, 20, tzinfo=UTC),
        end=datetime(2024, 1, 1, 8, tzinfo=UTC),
        bars_missing=2,
    )
    assert pandas.DataFrame(reader.holdings())["bars"].tolist() == [8, 8, 10]


def test_bars_between_final_ones_that_may_still_change_are_missing_from_a_holding(repository: Repository) -> None:
    dataset = Dataset("binance", "LATE", HOURS)
    save(repository, dataset, 0, 1, 1.0)
    save(repository, dataset, 3, 2, 1.0)
    between = TimeSpan(NEW_YEAR_MS + HOUR_MS, NEW_YEAR_MS + 3 * HOUR_MS)
    repository.save(dataset, between, Candles.empty(), provisional_from_ms=between.start_ms)
    (told,) = CandleReader(repository).holdings("LATE")
    assert (told.bars, told.bars_missing) == (3, 2)


def test_many_symbols_are_found_with_one_listing_of_the_store() -> None:
    class CountingRepository(InMemoryCandleRepository):
        listings = 0

        def datasets(self) -> list[Dataset]:
            self.listings += 1
            return super().datasets()

    repository = CountingRepository()
    symbols = [f"S{number}" for number in range(20)]
    for symbol in symbols:
        save(repository, Dataset("binance", symbol, HOURS), 0, 1, 1.0)
    assert len(CandleReader(repository).to_pandas(symbols, "1h")) == 20
    assert repository.listings == 1


def test_a_holding_without_a_bar_has_no_beginning(repository: Repository) -> None:
    repository.save(Dataset("binance", "NONE", HOURS), TimeSpan(0, HOUR_MS), Candles.empty())
    (told,) = CandleReader(repository).holdings()
    assert (told.bars, told.start, told.end, told.bars_missing) == (0, None, None, 0)


def test_bars_can_be_read_as_they_were_known_at_a_moment(repository: Repository) -> None:
    dataset, span = Dataset("binance", "BTCUSDT", HOURS), TimeSpan(NEW_YEAR_MS, NEW_YEAR_MS + HOUR_MS)
    for day, price in ((2, 1.0), (4, 2.0)):
        values = np.array([price])
        candles = Candles(np.array([NEW_YEAR_MS]), values, values, values, values, values)
        repository.save(dataset, span, candles, as_of_ms=NEW_YEAR_MS + day * 24 * HOUR_MS)
    reader = CandleReader(repository)
    assert reader.to_pandas("BTCUSDT")["close"].tolist() == [2.0]
    assert reader.to_pandas("BTCUSDT", as_of="2024-01-04")["close"].tolist() == [1.0]
    assert reader.candles("BTCUSDT", as_of="2024-01-06").close.tolist() == [2.0]
    assert len(reader.to_polars("BTCUSDT", as_of="2024-01-01")) == 0


def test_pieces_of_several_datasets_come_as_one_read_after_the_other_would_give_them(
    reader: CandleReader, repository: Repository
) -> None:
    datasets = reader.datasets()
    span = TimeSpan(NEW_YEAR_MS - 2 * HOUR_MS, NEW_YEAR_MS + 2 * HOUR_MS)
    pieces = list(repository.read_pieces(datasets, span))
    for dataset in datasets:
        of_dataset = [piece for of, piece in pieces if of == dataset]
        assert Candles.concatenate(of_dataset).identical(repository.read(dataset, span))
    assert list(dict.fromkeys(of for of, _ in pieces)) == datasets
    assert list(repository.read_pieces([], span)) == []


def test_a_folder_can_be_named_and_damage_in_it_is(tmp_path: Path) -> None:
    dataset = Dataset("binance", "BTCUSDT", HOURS)
    save(CandleFiles(tmp_path), dataset, -4, 8, 1.0)
    for store in (tmp_path, str(tmp_path)):
        assert len(CandleReader(store).to_pandas("BTCUSDT")) == 8
    damaged = folder_of(tmp_path, dataset) / "2024.candles"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(CorruptSegment, match=r"2024\.candles"):
        CandleReader(tmp_path).to_pandas("BTCUSDT")


def test_one_piece_of_candles_is_not_copied() -> None:
    values = np.arange(3.0)
    table = LongTable.of([("A", Candles(np.arange(3) * HOUR_MS, values, values, values, values, values))])
    assert np.shares_memory(table.values["close"], values)
    assert np.shares_memory(table.to_pandas()["close"].to_numpy(), values)
    assert np.shares_memory(table.to_arrow()["close"].chunk(0).to_numpy(), values)


pieces_of_table = some.lists(
    some.tuples(some.sampled_from("ABC"), some.integers(0, 3), some.sampled_from(["none", "count", "float"])),
    max_size=6,
)


@given(pieces_of_table)
@settings(deadline=None)
def test_all_three_libraries_get_the_same_table(parts: list[tuple[str, int, str]]) -> None:
    made = []
    for number, (symbol, bars, extra) in enumerate(parts):
        values = np.full(bars, 0.1) + number
        columns = {"none": {}, "count": {"x": np.full(bars, number)}, "float": {"x": values}}[extra]
        made.append((symbol, Candles(np.arange(bars) + 10 * number, values, values, values, values, values, columns)))
    table = LongTable.of(made)
    arrow, polars_frame, pandas_frame = table.to_arrow(), table.to_polars(), table.to_pandas()
    rows = [
        (symbol, opening, close, candles.extras["x"][place] if "x" in candles.extras else None)
        for symbol, candles in made
        for place, (opening, close) in enumerate(zip(candles.open_time_ms, candles.close, strict=True))
    ]
    x = [row[3] for row in rows]
    for symbols, openings, closes in (
        (arrow["symbol"].to_pylist(), arrow["timestamp"].cast("int64").to_pylist(), arrow["close"].to_pylist()),
        (
            polars_frame["symbol"].to_list(),
            polars_frame["timestamp"].dt.epoch("ms").to_list(),
            polars_frame["close"].to_list(),
        ),
        (
            pandas_frame["symbol"].tolist(),
            pandas_frame["timestamp"].astype("int64").tolist(),
            pandas_frame["close"].tolist(),
        ),
    ):
        assert list(zip(symbols, openings, closes, strict=True)) == [row[:3] for row in rows]
    if any(value is not None for value in x):
        assert arrow["x"].to_pylist() == polars_frame["x"].to_list() == x
        assert pandas_frame["x"].isna().tolist() == [value is None for value in x]
