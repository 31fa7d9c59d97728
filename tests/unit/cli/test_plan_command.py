"""`candles plan` and `candles mirror`: what they print, and what they exit with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from actors.cli.main import commands
from actors.cli.support import App
from actors.use_cases.planner import JobPlan
from adapters.reading.parquet_mirror import MirrorReport
from domain.candles.dataset import Interval
from domain.jobs.forecast import StoredSymbols, forecast
from domain.jobs.request import CollectionRequest
from domain.jobs.simulation import Slots
from domain.jobs.status import JobStatus
from domain.jobs.timings import NOTHING_TIMED, Timings
from domain.limits.rates import RateLimit
from domain.spans.time_span import TimeSpan
from tests.forecast_examples import stored
from tests.unit.cli.cli_fakes import FakeService, ended

REQUEST = CollectionRequest("binance", "default", ("A", "B", "C"), Interval("1m"), TimeSpan(0, 3_000 * 60_000))
LIMITS = [RateLimit.parse("2/1s"), RateLimit.parse("6000w/60s")]
DAMAGED = {"/data/x.candles": "/data/x.candles is corrupt"}


def plan_of(held: StoredSymbols, timings: Timings = NOTHING_TIMED, bytes_per_bar: float | None = None) -> JobPlan:
    return JobPlan(REQUEST, forecast(held, Slots(2, 4, 10), LIMITS, 2, timings, bytes_per_bar), None)


FRESH = plan_of(stored((3, 3, 3), 0, 0, 9_000, weight=2))
PARTLY = replace(
    plan_of(stored((3, 0, 2), 4_000, 0, 5_000, weight=2), Timings(10, 1.0, 2.0), 8.91), job=ended(JobStatus.PAUSED)
)
FINISHED = replace(plan_of(stored((0, 0, 0), 9_000, 0, 0)), job=ended(JobStatus.COMPLETED))


class PlanningService(FakeService):
    def __init__(self, planned: JobPlan = FRESH, mirrored: MirrorReport | None = None) -> None:
        super().__init__()
        self.planned, self.mirrored = planned, mirrored or MirrorReport(["a", "b"], ["c"], 1_234)

    def plan(self) -> JobPlan:
        return self.planned

    def mirror(self, out: Path, job: str | None = None) -> MirrorReport:
        self.calls.append(f"mirror {out.name} {job}")
        return self.mirrored


def run(folder: Path, service: PlanningService, *arguments: str) -> Result:
    path = folder / "candles.toml"
    path.write_text(
        '[broker]\ngateway = "binance"\n[storage]\nroot = "data"\n'
        '[job]\nsymbols = ["A"]\ninterval = "1m"\nstart = 2024-03-01\n'
    )
    app = App(service.opened, program="candles")  # type: ignore[arg-type]
    environment = {"CANDLES_SETTINGS": str(path)}
    return CliRunner().invoke(commands, arguments, obj=app, env=environment, catch_exceptions=False)


def test_a_first_plan_states_a_lower_bound_and_a_guess(tmp_path: Path) -> None:
    result = run(tmp_path, PlanningService(FRESH), "plan")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "job       a new one",
        "symbols   3",
        "candles   1m of [1970-01-01T00:00:00Z, 1970-01-03T02:00:00Z): 0 there, 9,000 to come",
        "requests  9 (weight 18)",
        "time      at least 4.0 s: no earlier job has timed a call",
        "  2/1s       4.0 s",
        "  6000w/60s  0.0 s",
        "disk      about 126.0 kB more, at 14.0 B a bar (a guess: no such bar is stored yet)",
    ]


def test_a_plan_for_a_partly_complete_store_says_what_is_left_and_what_bounds_it(tmp_path: Path) -> None:
    lines = run(tmp_path, PlanningService(PARTLY), "plan").stdout.splitlines()
    assert lines[0] == "job       binance-1d-0a1b2c3d, PAUSED"
    assert lines[1] == "symbols   3, 1 complete already"
    assert lines[3:] == [
        "requests  5 (weight 10)",
        "time      2.4 s, bound by 2/1s, with calls of 100 ms (10 timed)",
        "  2/1s               2.3 s",
        "  6000w/60s          0.1 s",
        "  concurrency 2 x 4  0.6 s",
        "disk      about 44.5 kB more, at 8.9 B a bar (as measured here)",
    ]


def test_a_plan_for_a_complete_store_is_short(tmp_path: Path) -> None:
    lines = run(tmp_path, PlanningService(FINISHED), "plan").stdout.splitlines()
    assert lines[0] == "job       binance-1d-0a1b2c3d, COMPLETED"
    assert lines[-1] == "requests  0: everything is stored"


def test_a_plan_says_that_a_finished_job_is_not_collected_again(tmp_path: Path) -> None:
    unfinished = replace(PARTLY, job=ended(JobStatus.COMPLETED, failed=2))
    assert "`retry` collects what is missing" in run(tmp_path, PlanningService(unfinished), "plan").stdout


@pytest.mark.parametrize("planned", [FRESH, PARTLY, FINISHED])
def test_a_plan_as_json_has_all_of_it(tmp_path: Path, planned: JobPlan) -> None:
    result = run(tmp_path, PlanningService(planned), "plan", "--json")
    assert json.loads(result.stdout) == json.loads(json.dumps(planned.as_json()))
    assert json.loads(result.stdout)["requests"] == planned.forecast.requests


def test_plan_takes_the_file_as_argument_or_option_but_not_both(tmp_path: Path) -> None:
    assert run(tmp_path, PlanningService(), "plan", str(tmp_path / "candles.toml")).exit_code == 0
    both = run(tmp_path, PlanningService(), "plan", "a.toml", "--settings", "b.toml")
    assert (both.exit_code, both.stderr) == (2, "candles: name one settings file, not both a.toml and b.toml\n")


def test_a_mirror_tells_what_it_did(tmp_path: Path) -> None:
    service = PlanningService()
    result = run(tmp_path, service, "mirror", "binance", "--out", str(tmp_path / "mirror"))
    assert (result.exit_code, result.stdout) == (0, "2 written, 1,234 unchanged, 1 removed\n")
    assert service.calls == ["mirror mirror binance"]
    told = json.loads(run(tmp_path, PlanningService(), "mirror", "--out", "x", "--json").stdout)
    assert told == {"written": ["a", "b"], "removed": ["c"], "unchanged": 1234, "damaged": {}, "left_alone": []}


@pytest.mark.parametrize(
    ("report", "sentence"),
    [
        (MirrorReport(damaged=DAMAGED), "candles: /data/x.candles is corrupt\n"),
        (MirrorReport(left_alone=["/m/x.parquet"]), "candles: /m/x.parquet is not a file of this mirror: left alone\n"),
    ],
)
def test_a_mirror_that_could_not_be_made_whole_says_why_and_fails(
    tmp_path: Path, report: MirrorReport, sentence: str
) -> None:
    result = run(tmp_path, PlanningService(mirrored=report), "mirror", "--out", "x")
    assert (result.exit_code, result.stderr) == (1, sentence)
