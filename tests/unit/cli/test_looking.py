"""The commands that only look, on the real service, where nothing was ever collected: they leave no trace."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from actors.cli.main import commands

JOB = "binance-1d-0a1b2c3d"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "candles.toml").write_text(
        '[broker]\ngateway = "binance"\n[storage]\nroot = "data"\n'
        '[job]\nsymbols = ["AAA"]\ninterval = "1d"\nstart = 2024-03-01\nend = 2024-03-08\n'
    )
    monkeypatch.setenv("CANDLES_STATE_DIR", str(tmp_path / "state"))
    return tmp_path


def run(folder: Path, *words: str) -> Result:
    result = CliRunner().invoke(
        commands, words, env={"CANDLES_SETTINGS": str(folder / "candles.toml")}, catch_exceptions=False
    )
    assert [path.name for path in folder.iterdir()] == ["candles.toml"]
    return result


def test_a_store_that_is_not_there_has_no_jobs(folder: Path) -> None:
    assert run(folder, "jobs").stdout == "no jobs yet: `candles collect` starts one\n"
    assert json.loads(run(folder, "jobs", "--json").stdout) == []


def test_a_plan_creates_no_storage_folder(folder: Path) -> None:
    result = run(folder, "plan")
    assert result.exit_code == 0
    assert result.stdout.startswith("job       a new one\n")


@pytest.mark.parametrize(
    "words",
    [
        ["status", JOB],
        ["history", JOB],
        ["watch", JOB],
        ["gaps", JOB],
        ["gaps", "AAA"],
        ["quarantine", JOB],
        ["verify", JOB],
        ["audit", JOB],
        ["pause", JOB],
        ["resume", JOB],
        ["cancel", JOB],
    ],
)
def test_a_job_in_a_store_that_is_not_there_is_one_sentence_and_no_folder(folder: Path, words: Sequence[str]) -> None:
    result = run(folder, *words)
    assert result.exit_code == 2
    assert result.stderr == f"candles: there is no store in {folder}/data: `candles collect` creates it\n"


def test_looking_at_a_symbol_creates_no_event_store_beside_the_candles(folder: Path) -> None:
    (folder / "data").mkdir()
    result = CliRunner().invoke(commands, ["gaps", "AAA"], env={"CANDLES_SETTINGS": str(folder / "candles.toml")})
    assert result.stderr == "candles: 'AAA' is neither a job nor a symbol in this store\n"
    assert list((folder / "data").iterdir()) == []
