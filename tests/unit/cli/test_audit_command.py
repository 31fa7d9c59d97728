"""`candles audit`: what it prints, and what it exits with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from actors.cli.main import commands
from actors.cli.support import App
from actors.use_cases.auditor import AuditReport, JobAuditor
from actors.use_cases.catalog import JobCatalog
from adapters.in_memory.permit_log import InMemoryPermitLog, LoggedPermits
from adapters.job_store.journal import JobJournal
from adapters.reports.audit_plot import draw
from domain.errors import SettingsError
from domain.jobs.request import CollectionRequest
from domain.limits.audit import AuditHistory, audit
from domain.limits.ledger import GrantedPermit
from domain.limits.messages import Outcome
from domain.limits.rates import RateLimit
from tests.job_examples import REQUEST
from tests.unit.cli.cli_fakes import RUNNING, FakeService

JOB = RUNNING.job_id
SERVER = {"requests": 5, "violations": 0, "most_in_window": {"3/10s": 3}}


def history(limit: str = "3/10s") -> AuditHistory:
    log = InMemoryPermitLog(LoggedPermits())
    log.note_limits([RateLimit.parse(limit), RateLimit.parse("100/60s")], 0.0)
    for number, moment in enumerate((1_700_000_000.0, 1_700_000_001.0, 1_700_000_002.0, 1_700_000_013.0)):
        permit = GrantedPermit(str(number), 1, moment, moment + 5)
        log.granted("another job" if number == 1 else JOB, [permit])
        if number < 3:
            outcome = Outcome.ABANDONED if number == 2 else Outcome.ANSWERED
            log.completed(replace(permit, completed_at=moment + 0.5, has_completed=True), outcome, moment + 1)
    return log.memory.history()


class AuditedService(FakeService):
    """Has one job, audited from a history."""

    def __init__(self, history: AuditHistory, server: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.history, self.server = history, server

    def audit(self, job: str, plot: Path | None = None) -> AuditReport:
        self._find(job, f"audit {job}")
        verdict = audit(self.history, JOB)
        if plot:
            draw(self.history, verdict, plot)
        return AuditReport(verdict, self.server)


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    path = tmp_path / "candles.toml"
    path.write_text('[broker]\ngateway = "binance"\n[storage]\nroot = "data"\n')
    return path


def run(service: FakeService, settings_file: Path, *words: str) -> Result:
    app = App(service.opened, program="candles")  # type: ignore[arg-type]
    words = ("audit", *words, "--settings", str(settings_file))
    return CliRunner().invoke(commands, words, obj=app, catch_exceptions=False)


def test_a_job_that_kept_its_limits_is_proven_with_every_limit_beside_its_fullest_window(settings_file: Path) -> None:
    result = run(AuditedService(history(), SERVER), settings_file, JOB[:8])
    assert result.exit_code == 0
    assert "proven: no window can have held more than its limit" in result.stdout
    assert "3 from 2023-11-14 22:13:20Z on" in result.stdout
    assert "1 answered, 1 abandoned, 1 with no completion known" in result.stdout
    assert "1 permits of other jobs" in result.stdout
    assert "  3/10s    3 of 3            2" in result.stdout
    assert "  100/60s  4 of 100          3" in result.stdout
    assert "  requests 5; 0 of them were too many" in result.stdout


def test_a_window_too_full_is_not_proven_and_exits_with_1(settings_file: Path) -> None:
    result = run(AuditedService(history("2/10s")), settings_file, JOB)
    assert result.exit_code == 1
    assert "NOT PROVEN: a window could have held more" in result.stdout
    assert "3 of 2" in result.stdout
    assert "windows too full" in result.stdout


def test_a_violation_that_only_the_server_saw_exits_with_1(settings_file: Path) -> None:
    assert run(AuditedService(history(), {**SERVER, "violations": 1}), settings_file, JOB).exit_code == 1


def test_as_json_everything_is_there(settings_file: Path) -> None:
    result = run(AuditedService(history(), SERVER), settings_file, JOB, "--json")
    told = json.loads(result.stdout)
    assert told["is_proven"] is True
    assert told["server"] == SERVER
    assert told["windows"][0] == {
        "limit": "3/10s",
        "amount": 3,
        "most": 3,
        "of_job": 2,
        "at": "2023-11-14T22:13:22+00:00",
        "at_seconds": 1_700_000_002.0,
        "excesses": 0,
    }


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_a_plot_is_drawn(settings_file: Path, tmp_path: Path, ending: str) -> None:
    picture = tmp_path / f"audit.{ending}"
    result = run(AuditedService(history("2/10s")), settings_file, JOB, "--plot", str(picture))
    assert f"drawn to {picture}" in result.stdout
    assert picture.read_bytes()[:5] in (b"<?xml", b"\x89PNG\r")


def test_a_plot_of_an_unknown_kind_is_refused_in_a_sentence(settings_file: Path, tmp_path: Path) -> None:
    result = run(AuditedService(history()), settings_file, JOB, "--plot", str(tmp_path / "audit.gif"))
    assert result.exit_code == 2
    assert "let it end in .svg, .png" in result.stderr


def test_a_plot_of_very_many_permits_stays_small(tmp_path: Path) -> None:
    granted = np.arange(20_000) / 10.0
    many = replace(
        history(),
        granted_seconds=granted,
        completed_seconds=granted + 0.05,
        tokens=np.ones(len(granted), np.int64),
        job=np.full(len(granted), history().jobs.index(JOB)),
        pool=np.zeros(len(granted), np.int64),
        ending=np.ones(len(granted), np.uint8),
    )
    draw(many, audit(many, JOB), tmp_path / "audit.svg")
    assert (tmp_path / "audit.svg").stat().st_size < 600_000


def test_a_job_is_audited_by_the_log_of_its_own_account_and_one_without_a_permit_there_says_so() -> None:
    asked: list[tuple[str, str]] = []

    def read(request: CollectionRequest) -> AuditHistory:
        asked.append((request.broker, request.account))
        return history()

    catalog = JobCatalog(JobJournal.in_memory())
    job_id = catalog.find_or_submit(REQUEST)
    with pytest.raises(SettingsError, match=f"no permit of job {job_id} is in the log of account 'default' of binance"):
        JobAuditor(catalog, read, lambda: None, draw).audit(job_id)
    assert asked == [("binance", "default")]
