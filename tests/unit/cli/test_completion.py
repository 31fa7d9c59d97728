"""Shell completion: the scripts, and what the program answers them."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from actors.cli.main import commands
from adapters.job_store.journal import JobJournal
from tests.job_examples import REQUEST

TREE = Path(__file__).resolve().parents[3]


def completed(*words: str, settings: Path | None = None) -> list[str]:
    """What a shell is told may come next, the last word being begun."""
    environment = {
        "_CANDLES_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(("candles", *words)),
        "COMP_CWORD": str(len(words)),
    }
    if settings:
        environment["CANDLES_SETTINGS"] = str(settings)
    done = subprocess.run(
        [sys.executable, "-m", "actors"],
        cwd=TREE,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return [line.removeprefix("plain,") for line in done.stdout.split()]


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "candles.toml"
    path.write_text('[storage]\nroot = "data"\n')
    return path


def test_the_printed_script_is_valid_bash() -> None:
    script = CliRunner().invoke(commands, ["completion", "bash"])
    assert script.exit_code == 0
    checked = subprocess.run(
        ["bash", "-n"], input=script.stdout, capture_output=True, text=True, timeout=30, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_script_asks_the_program_by_the_variable_it_listens_to(shell: str) -> None:
    assert f"_CANDLES_COMPLETE={shell}_complete" in CliRunner().invoke(commands, ["completion", shell]).stdout


def test_an_unknown_shell_is_wrong_input() -> None:
    assert CliRunner().invoke(commands, ["completion", "tcsh"]).exit_code == 2


def test_commands_and_options_complete() -> None:
    assert completed("stat") == ["status"]
    assert completed("history", "--a") == ["--at"]


def test_a_job_completes_from_the_store(settings: Path) -> None:
    journal = JobJournal.sqlite(settings.parent / "data" / "jobs.sqlite")
    job_id = journal.submit(REQUEST, datetime.now(UTC))
    journal.close()
    assert completed("status", "bin", settings=settings) == [job_id]
    assert completed("status", "--settings", str(settings), "") == [job_id]
    assert completed("status", "kraken", settings=settings) == []


def test_a_job_of_no_store_completes_to_nothing_and_creates_nothing(settings: Path) -> None:
    assert completed("status", "bin", settings=settings) == []
    assert completed("status", "bin", settings=settings.parent / "none.toml") == []
    assert list(settings.parent.iterdir()) == [settings]
