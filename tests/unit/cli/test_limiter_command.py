"""The operator's commands: what they call, what they print, and what they exit with."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from actors.cli.main import commands
from actors.cli.support import App
from actors.use_cases.limiter_operator import LimiterOperator
from adapters.in_memory import InMemoryOperatorPause
from domain.errors import LimiterUnavailable
from tests.unit.cli.cli_fakes import LIMITER_STATUS, FakeLimiter

Run = Callable[..., Result]

HOLDS = "the pause holds all the same, for every limiter to come"
SETTINGS = """
[broker]
gateway = "binance"
base_url = "http://127.0.0.1:9"
account = "main"
[storage]
root = "data"
[cluster]
address = "10.0.0.1:6379"
"""


class Accounts:
    """Stands in for the machine: one limiter, or none, and which account was asked for."""

    def __init__(self) -> None:
        self.limiter: FakeLimiter | None = FakeLimiter()
        self.unreachable: ConnectionError | None = None
        self.switch = InMemoryOperatorPause()
        self.opened: list[tuple[str, str, str | None]] = []

    def open(self, broker: str, account: str, cluster: str | None) -> LimiterOperator:
        self.opened.append((broker, account, cluster))
        return LimiterOperator(self.switch, self._found)

    def _found(self) -> FakeLimiter | None:
        if self.unreachable:
            raise self.unreachable
        return self.limiter


@pytest.fixture
def accounts() -> Accounts:
    return Accounts()


@pytest.fixture
def run(accounts: Accounts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        app = App(open_limiter=accounts.open, program="candles")
        return CliRunner().invoke(commands, ["limiter", *arguments], obj=app, catch_exceptions=False)

    return run


def test_a_pause_reaches_the_limiter_and_says_how_it_ends(run: Run, accounts: Accounts) -> None:
    result = run("pause", "binance")
    assert (result.exit_code, accounts.switch.is_paused()) == (0, True)
    assert result.stdout == ("binance/default is paused; `candles limiter resume binance --account default` ends it\n")
    assert accounts.limiter is not None
    assert accounts.limiter.orders == ["pause"]


def test_a_resume_lets_it_go_on(run: Run, accounts: Accounts) -> None:
    run("pause", "binance")
    assert run("resume", "binance").stdout == "binance/default goes on\n"
    assert not accounts.switch.is_paused()


def test_where_no_limiter_runs_that_is_said_in_a_sentence_and_a_pause_holds_all_the_same(
    run: Run, accounts: Accounts
) -> None:
    accounts.limiter = None
    paused = run("pause", "binance")
    assert (paused.exit_code, accounts.switch.is_paused()) == (0, True)
    assert paused.stdout.startswith("no limiter of binance/default runs: the next one starts paused; ")
    assert run("status", "binance").stdout == "no limiter of binance/default runs; an operator paused the account\n"
    assert run("resume", "binance").stdout == "no limiter of binance/default runs: the next one starts unpaused\n"
    assert run("status", "binance").stdout == "no limiter of binance/default runs\n"
    shutdown = run("shutdown", "binance")
    assert (shutdown.exit_code, shutdown.stderr) == (2, "candles: no limiter of binance/default runs\n")


def test_a_cooldown_is_ended_by_an_operator_and_the_wait_for_lost_evidence_is_not(run: Run, accounts: Accounts) -> None:
    assert accounts.limiter is not None
    lost = "the permit record is torn"
    accounts.limiter.current = replace(
        LIMITER_STATUS, cooldown_seconds=3600.0, evidence_wait_seconds=20.0, evidence_wait_reason=lost
    )
    before = run("status", "binance").stdout.splitlines()[0]
    assert "in cooldown for 1 h 00 m, until 20" in before
    assert "(the broker refused) and without evidence for 20.0 s, until 20" in before
    assert before.endswith(f"({lost})")
    shown = json.loads(run("status", "binance", "--json").stdout)
    assert shown["cooldown_until"] > shown["evidence_wait_until"]
    ended = run("end-cooldown", "binance")
    assert ended.stdout.startswith("binance/default: its cooldown has ended 1 h 00 m early; it is without evidence for")
    assert run("end-cooldown", "binance").stdout.startswith("binance/default: it is in no cooldown; it is without")
    accounts.limiter = None
    nobody = run("end-cooldown", "binance")
    sentence = "candles: no limiter of binance/default runs: a cooldown can be ended while one does\n"
    assert (nobody.exit_code, nobody.stderr) == (2, sentence)


def test_a_shutdown_ends_the_limiter(run: Run, accounts: Accounts) -> None:
    result = run("shutdown", "binance")
    assert result.exit_code == 0
    assert accounts.limiter is not None
    assert accounts.limiter.orders == ["shutdown"]


def test_status_shows_windows_cooldown_pause_and_the_share_of_each_waiting_job(run: Run, accounts: Accounts) -> None:
    assert accounts.limiter is not None
    accounts.limiter.current = replace(LIMITER_STATUS, paused=True, cooldown_seconds=65.0, cooldown_reason="HTTP 429")
    lines = run("status", "binance").stdout.splitlines()
    assert lines[0].startswith("binance/default: paused by an operator and in cooldown for 1 m 05 s, until 20")
    assert lines[0].endswith("(HTTP 429)")
    assert "the permit record holds 12 permits" in lines[3]
    assert [line.split() for line in lines[4:]] == [
        ["WINDOW", "COUNTED", "OF", "BY", "OTHERS", "RESERVED"],
        ["15/1s", "12", "15", "0", "0"],
        ["6000w/60s", "1,400", "6,000", "200", "230"],
        ["JOB", "PRIORITY", "WAITING", "SHARE"],
        ["binance-1d-0a1b2c3d", "interactive", "4", "95.0%"],
        ["binance-1m-99999999", "bulk", "28", "5.0%"],
    ]


def test_status_as_json_has_all_of_it_and_says_whether_a_limiter_runs(run: Run, accounts: Accounts) -> None:
    shown = json.loads(run("status", "binance", "--json").stdout)
    assert (shown["running"], shown["paused"], shown["cooldown_until"]) == (True, False, None)
    assert shown["windows"][1] == {
        "limit": "6000w/60s",
        "amount": 6000,
        "counted": 1400,
        "others": 200,
        "reserved": 230,
    }
    assert shown["jobs"][0]["share"] == 0.95
    accounts.limiter = None
    assert json.loads(run("status", "binance", "--json").stdout) == {
        "broker": "binance",
        "account": "default",
        "running": False,
        "paused": False,
    }


def test_the_account_is_the_named_one_else_that_of_the_settings_else_default(
    run: Run, accounts: Accounts, tmp_path: Path
) -> None:
    run("status", "binance")
    path = tmp_path / "mine.toml"
    path.write_text(SETTINGS)
    run("status", "binance", "--settings", str(path))
    run("status", "binance", "--settings", str(path), "--account", "other")
    path.rename(tmp_path / "candles.toml")
    run("status", "binance")
    assert accounts.opened == [
        ("binance", "default", None),
        ("binance", "main", "10.0.0.1:6379"),
        ("binance", "other", "10.0.0.1:6379"),
        ("binance", "main", "10.0.0.1:6379"),
    ]


def test_where_the_broker_counts_by_address_all_accounts_have_one_limiter(
    run: Run, accounts: Accounts, tmp_path: Path
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(SETTINGS.replace('base_url = "http://127.0.0.1:9"\n', ""))
    run("status", "binance", "--settings", str(path))
    run("status", "binance", "--settings", str(path), "--account", "other")
    assert accounts.opened == [("binance", "default", "10.0.0.1:6379")] * 2


def test_a_broker_nobody_knows_and_a_file_that_is_not_there_are_wrong_input(run: Run, accounts: Accounts) -> None:
    unknown = run("pause", "binanze")
    assert (unknown.exit_code, unknown.stderr) == (2, "candles: 'binanze' is not a broker: there are binance\n")
    assert run("pause", "binance", "--settings", "nowhere.toml").exit_code == 2
    assert accounts.opened == []


def test_a_limiter_that_does_not_answer_is_one_sentence_which_says_that_the_pause_holds(
    run: Run, accounts: Accounts
) -> None:
    assert accounts.limiter is not None
    accounts.limiter.error = LimiterUnavailable("the rate limiter is gone")
    result = run("pause", "binance")
    assert (result.exit_code, result.stderr) == (1, f"candles: the rate limiter is gone; {HOLDS}\n")
    assert accounts.switch.is_paused(), "it holds for the next limiter"


def test_a_pause_holds_where_no_cluster_answers_and_says_so(run: Run, accounts: Accounts) -> None:
    accounts.unreachable = ConnectionError("no Ray cluster answers at 10.0.0.1:6379 (timed out)")
    paused = run("pause", "binance")
    assert (paused.exit_code, accounts.switch.is_paused()) == (1, True)
    assert paused.stderr == f"candles: no Ray cluster answers at 10.0.0.1:6379 (timed out); {HOLDS}\n"
    resumed = run("resume", "binance")
    assert (resumed.exit_code, accounts.switch.is_paused()) == (1, False)
    assert resumed.stderr.endswith("; limiters to come are not paused any more\n")
    assert run("status", "binance").stderr == "candles: no Ray cluster answers at 10.0.0.1:6379 (timed out)\n"
