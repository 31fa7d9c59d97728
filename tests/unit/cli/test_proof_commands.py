"""The commands gaps, quarantine and verify: what they list, what they repair, and what they exit with."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from actors.cli.main import commands
from actors.cli.support import App
from actors.settings.model import Settings
from actors.use_cases.candle_proof import CandleProof
from actors.use_cases.catalog import JobCatalog
from actors.use_cases.job_proof import JobProof
from adapters.in_memory import InMemoryCandleRepository, InMemoryGateway
from adapters.job_store.journal import JobJournal
from domain.candles.dataset import Dataset, Interval
from domain.candles.ports import DamagedSegment, TradingCalendar
from domain.candles.sessions import AlwaysOpen
from domain.candles.validation import QuarantinedCandle
from domain.jobs.request import CollectionRequest
from domain.jobs.status import JobStatus
from domain.spans.time_span import TimeSpan
from tests.unit.cli.cli_fakes import RUNNING, FakeHandle, FakeService, ended
from tests.unit.collecting.worker_bench import MINUTE_MS, bars, minutes

NOW = datetime(2024, 3, 1, tzinfo=UTC)
REQUEST = CollectionRequest("binance", "default", ("AAA", "BBB"), Interval("1m"), minutes(0, 60))
SETTINGS = '[broker]\ngateway = "binance"\n[storage]\nroot = "data"\n'


class DamageableRepository(InMemoryCandleRepository):
    """Datasets in `harmed` have a damaged part until it is set aside."""

    def __init__(self) -> None:
        super().__init__()
        self.harmed: dict[Dataset, DamagedSegment] = {}

    def damaged(self, dataset: Dataset) -> list[DamagedSegment]:
        return [self.harmed[dataset]] if dataset in self.harmed else []

    def set_aside(self, dataset: Dataset) -> list[DamagedSegment]:
        if dataset not in self.harmed:
            return []
        self.histories.pop(dataset)
        return [self.harmed.pop(dataset)]


class StoreService(FakeService):
    """A service over stores in memory; a submitted request is noted, and `healing` is called."""

    def __init__(self, path: Path) -> None:
        super().__init__(FakeHandle([RUNNING, ended(JobStatus.COMPLETED)]))
        self.path = path
        self.candles = DamageableRepository()
        self.gateway = InMemoryGateway("binance")
        self.catalog = JobCatalog(JobJournal.in_memory())
        self.job_id = self.catalog.find_or_submit(REQUEST)
        self.submitted: list[CollectionRequest] = []
        self.healing: Callable[[], None] = lambda: None

    def dataset(self, symbol: str, interval: str = "1m") -> Dataset:
        return self.gateway.dataset(symbol, Interval(interval))

    def store(self, symbol: str, first: int, end: int, asked: TimeSpan | None = None) -> None:
        asked = asked or minutes(first, end)
        self.candles.save(self.dataset(symbol), asked, bars(end - first, first))

    def candle_proof(self, *_: object) -> CandleProof:
        return CandleProof(self.candles, lambda dataset: self.candles.quarantined.get(dataset, []), named, lambda: NOW)

    def proof(self) -> JobProof:
        return JobProof(Settings.load(self.path), self.catalog, self.candle_proof(), self.dataset_of)

    def dataset_of(self, symbol: str, interval: Interval, request: CollectionRequest | None = None) -> Dataset:
        return self.gateway.dataset(symbol, interval)

    def submit(self, request: CollectionRequest | None = None, force_new: bool = False) -> FakeHandle:
        if request is not None:
            assert force_new
            self.submitted.append(request)
            self.healing()
        return super().submit()


def named(name: str, span: TimeSpan) -> TradingCalendar:
    return AlwaysOpen()


@pytest.fixture
def service(tmp_path: Path) -> StoreService:
    path = tmp_path / "candles.toml"
    path.write_text(SETTINGS)
    return StoreService(path)


def run(service: StoreService, *arguments: str) -> Result:
    app = App(service.opened, service.candle_proof, program="candles")  # type: ignore[arg-type]
    environment = {"CANDLES_SETTINGS": str(service.path)}
    return CliRunner().invoke(commands, arguments, obj=app, env=environment, catch_exceptions=False)


def test_a_complete_job_has_no_gaps_and_exits_with_zero(service: StoreService) -> None:
    service.store("AAA", 0, 60)
    service.store("BBB", 0, 60)
    result = run(service, "gaps", service.job_id)
    assert (result.exit_code, result.stdout) == (0, "2 of 2 datasets are complete\n")


def test_what_is_missing_is_listed_with_its_bars_and_exits_with_one(service: StoreService) -> None:
    service.store("AAA", 0, 60)
    service.store("BBB", 0, 20)
    result = run(service, "gaps", service.job_id)
    assert result.exit_code == 1
    (row,) = [line for line in result.stdout.splitlines() if line.startswith("BBB")]
    assert row.split() == [
        "BBB",
        "1m",
        "missing",
        "1970-01-01",
        "00:20:00Z",
        "1970-01-01",
        "01:00:00Z",
        "40",
    ]
    assert "\nmissing: never answered\n" in result.stdout
    assert result.stdout.endswith("1 of 2 datasets are complete, 40 bars missing\n")


def test_a_gap_is_listed_and_is_no_failure(service: StoreService) -> None:
    service.store("AAA", 0, 20, asked=minutes(0, 60))
    result = run(service, "gaps", "AAA")
    assert result.exit_code == 0
    assert "40" in result.stdout
    assert "\ngap: expected, and denied by the broker\n" in result.stdout
    assert "never answered" not in result.stdout


def test_gaps_are_told_as_json_too(service: StoreService) -> None:
    service.store("AAA", 0, 20, asked=minutes(0, 50))
    (told,) = json.loads(run(service, "gaps", "AAA", "--json").stdout)
    assert (told["symbol"], told["interval"], told["calendar"], told["complete"]) == ("AAA", "1m", "24/7", True)
    assert (told["bars_expected"], told["bars_stored"]) == (50, 20)
    assert told["gaps"] == [{"start": "1970-01-01T00:20:00+00:00", "end": "1970-01-01T00:50:00+00:00", "bars": 30}]
    assert told["missing"] == told["damaged"] == []


def test_a_symbol_may_be_narrowed_to_an_interval(service: StoreService) -> None:
    service.store("AAA", 0, 20)
    service.candles.save(service.dataset("AAA", "1h"), minutes(0, 60), bars(1))
    assert run(service, "gaps", "AAA").stdout == "2 of 2 datasets are complete\n"
    assert run(service, "gaps", "AAA", "--interval", "1h").stdout == "1 of 1 datasets are complete\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["gaps", "NOPE"], "'NOPE' is neither a job nor a symbol in this store"),
        (["gaps", "NOPE", "--interval", "1h"], "is neither a job nor a symbol with 1h candles in this store"),
        (["gaps", "binance", "--interval", "1m"], "leave --interval out"),
        (["verify", "nope"], "there is no job 'nope' in this store"),
        (["verify", "binance", "--calendar", "XNYS"], "a job has its own calendar and overrides"),
        (["verify", ".", "--overrides", "o.toml"], "name the market's --calendar"),
        (["quarantine", "nope"], "there is no job 'nope' in this store"),
    ],
)
def test_wrong_input_is_answered_with_a_sentence_and_two(
    service: StoreService, arguments: Sequence[str], sentence: str
) -> None:
    result = run(service, *arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_repair_asks_for_what_is_missing_or_was_denied_in_a_job_of_its_own(service: StoreService) -> None:
    service.store("AAA", 0, 60)
    service.store("BBB", 0, 20)
    service.healing = lambda: service.store("BBB", 20, 60)
    result = run(service, "gaps", service.job_id, "--repair")
    (request,) = service.submitted
    assert (request.symbols, request.span, request.recheck_gaps) == (("BBB",), REQUEST.span, True)
    assert result.exit_code == 0
    assert result.stdout.endswith("2 of 2 datasets are complete\n")


def test_a_repair_of_what_is_whole_makes_no_job(service: StoreService) -> None:
    service.store("AAA", 0, 60)
    assert run(service, "gaps", "AAA", "--repair").exit_code == 0
    assert service.submitted == []


def test_a_repair_that_brings_nothing_says_what_is_still_missing(service: StoreService) -> None:
    service.store("AAA", 0, 10)
    service.store("AAA", 20, 30)
    result = run(service, "gaps", "AAA", "--repair")
    (request,) = service.submitted
    assert (request.symbols, request.span) == (("AAA",), minutes(0, 30))
    assert result.exit_code == 1
    assert "10 bars missing" in result.stdout


def test_a_repair_that_does_not_end_well_exits_as_its_job_does(service: StoreService) -> None:
    service.store("AAA", 0, 20, asked=minutes(0, 60))
    service.handle = FakeHandle([RUNNING, ended(JobStatus.PAUSED)])
    assert run(service, "gaps", "AAA", "--repair").exit_code == 3


def test_a_repair_sets_damaged_files_aside_and_requests_what_they_held(service: StoreService) -> None:
    service.store("AAA", 0, 60)
    damage = DamagedSegment("data/AAA/all.candles", "its checksum does not match", minutes(0, 60))
    service.candles.harmed[service.dataset("AAA")] = damage
    service.healing = lambda: service.store("AAA", 0, 60)
    result = run(service, "gaps", "AAA", "--repair")
    assert result.stdout.startswith("set aside: data/AAA/all.candles: its checksum does not match\n")
    assert [request.span for request in service.submitted] == [minutes(0, 60)]
    assert result.exit_code == 0


def test_what_another_broker_has_is_not_repaired_by_this_one(service: StoreService) -> None:
    service.candles.save(Dataset("other", "AAA", Interval("1m")), minutes(0, 60), bars(1))
    result = run(service, "gaps", "AAA", "--repair")
    assert result.exit_code == 2
    assert "AAA is not what [broker] in" in result.stderr


def test_refused_bars_are_listed_with_their_reasons(service: StoreService) -> None:
    refused = [
        QuarantinedCandle(MINUTE_MS, "volume is negative", (("open", 1.5), ("volume", -1.0))),
        QuarantinedCandle(10**18, "opens outside the span asked for", (("open", math.nan),)),
    ]
    service.candles.quarantine(service.dataset("AAA"), refused)
    result = run(service, "quarantine", service.job_id)
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()[1:]] == [
        ["AAA", "1970-01-01", "00:01:00Z", "volume", "is", "negative"],
        ["open=1.5", "volume=-1.0"],
        ["AAA", "1000000000000000000", "ms", "opens", "outside", "the", "span", "asked", "for"],
        ["open=nan"],
    ]
    told = json.loads(run(service, "quarantine", service.job_id, "--json").stdout)
    assert told[1]["values"] == {"open": "nan"}
    assert told[0] == {
        "symbol": "AAA",
        "interval": "1m",
        "open_time_ms": MINUTE_MS,
        "reason": "volume is negative",
        "values": {"open": 1.5, "volume": -1.0},
    }


def test_a_job_without_refused_bars_says_so(service: StoreService) -> None:
    assert run(service, "quarantine", service.job_id).stdout == "no bar was refused\n"


def test_verify_prints_a_certificate_for_each_dataset_and_one_over_all(service: StoreService) -> None:
    service.store("AAA", 0, 60)
    service.store("BBB", 0, 60)
    result = run(service, "verify", service.job_id)
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines() if line.startswith("yes")]
    assert [row[1] for row in rows] == ["AAA", "BBB"]
    assert rows[0][-1] != rows[1][-1]
    assert "2 of 2 datasets are proven, 120 bars\ncontent of all: " in result.stdout


def test_verify_says_what_is_not_proven_and_exits_with_one(service: StoreService) -> None:
    service.store("AAA", 0, 60)
    result = run(service, "verify", service.job_id)
    assert result.exit_code == 1
    assert f"BBB: {minutes(0, 60)}: 60 bars never answered" in result.stdout
    told = json.loads(run(service, "verify", service.job_id, "--json").stdout)
    assert [one["proven"] for one in told["datasets"]] == [True, False]
    assert (told["proven"], told["bars"], told["datasets"][1]["bars_missing"]) == (1, 60, 60)


def test_verify_believes_the_bars_and_not_what_a_file_says_of_them(service: StoreService) -> None:
    service.store("AAA", 0, 60)
    service.store("BBB", 0, 60)
    read = service.candles.read
    service.candles.read = lambda dataset, span: read(dataset, span.intersect(minutes(0, 50)))  # type: ignore[method-assign]
    result = run(service, "verify", service.job_id)
    assert result.exit_code == 1
    assert "the stored bars are not those that the files' headers name" in result.stdout


def test_verify_of_a_folder_needs_no_settings(service: StoreService, tmp_path: Path) -> None:
    service.store("AAA", 0, 60)
    service.path.unlink()
    result = run(service, "verify", str(tmp_path), "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["datasets"][0]["calendar"] == "none"


def test_verify_of_a_folder_without_candles_is_wrong_input(service: StoreService, tmp_path: Path) -> None:
    result = run(service, "verify", str(tmp_path))
    assert (result.exit_code, "no candles are stored under this folder" in result.stderr) == (2, True)
    wrong = run(service, "verify", str(tmp_path), "--calendar", "XNYS", "--overrides", str(tmp_path / "none.toml"))
    assert (wrong.exit_code, "cannot be read" in wrong.stderr) == (2, True)
