"""Settings without a file: from plain values, as a driver or a notebook has them."""

from __future__ import annotations

import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas
import pytest

from actors.settings.model import Settings
from domain.candles.dataset import Interval
from domain.errors import SettingsError

MARCH = datetime(2024, 3, 1, tzinfo=UTC)


def values(**job: object) -> dict[str, Any]:
    """The sections of a small job, some of its keys replaced."""
    return {
        "broker": {"gateway": "binance", "limits": ("15/1s",)},
        "job": {"symbols": ("BTCUSDT",), "interval": "1m", "start": "2024-03-01", **job},
        "storage": {"root": "data"},
    }


def mistake(**job: object) -> str:
    with pytest.raises(SettingsError) as caught:
        Settings.from_values(values(**job))
    return str(caught.value)


@pytest.mark.parametrize(
    "start",
    [
        "2024-03-01",
        "2024-03-01T00:00:00Z",
        "2024-03-01T02:00:00+02:00",
        date(2024, 3, 1),
        MARCH,
        MARCH.astimezone(timezone(timedelta(hours=-5))),
        pandas.Timestamp("2024-03-01", tz="UTC"),
    ],
    ids=repr,
)
def test_a_moment_may_be_written_in_every_way_that_is_unambiguous(start: object) -> None:
    read = Settings.from_values(values(start=start)).require_job().start
    assert (read, type(read), read.tzinfo) == (MARCH, datetime, UTC)


def test_paths_may_be_path_objects_and_count_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "majors.txt").write_text("BTCUSDT\nETHUSDT\n")
    plain = values(symbols_file=Path("majors.txt"), interval=Interval("1m"))
    del plain["job"]["symbols"]
    plain["storage"]["root"] = Path("data")
    settings = Settings.from_values(plain)
    assert settings.require_job().symbols == ("BTCUSDT", "ETHUSDT")
    assert settings.storage.root == str(tmp_path / "data")


def test_the_same_values_in_a_file_and_without_one_give_the_same_settings(tmp_path: Path) -> None:
    path = tmp_path / "candles.toml"
    path.write_text(
        '[broker]\ngateway = "binance"\nlimits = ["15/1s"]\n[storage]\nroot = "/data"\n'
        '[job]\nsymbols = ["BTCUSDT"]\ninterval = "1m"\nstart = "2024-03-01"\n'
    )
    plain = values()
    plain["storage"]["root"] = "/data"
    settings = Settings.from_values(plain)
    assert settings.model_copy(update={"path": path}) == Settings.load(path)
    assert (settings.path, settings.source) == (None, "settings")


def test_a_mistake_is_told_of_settings_where_there_is_no_file() -> None:
    assert mistake(start="2024-03-01T00:00:00").startswith(
        'settings: job.start is "2024-03-01T00:00:00": 2024-03-01T00:00:00 has no time zone: write'
    )
    assert (
        mistake(start="soon") == "settings: job.start: 'soon' is not a timestamp: write one like 2024-03-01T12:00:00Z"
    )
    assert mistake(colour=1).startswith("settings: job.colour is an unknown key: [job] may have name, symbols")
    with pytest.raises(SettingsError, match=r"^settings: this needs a section \[job\], and there is none$"):
        Settings.from_values({"storage": {"root": "data"}}).require_job()
    with pytest.raises(SettingsError, match=r"^settings: path is not a section of settings$"):
        Settings.from_values(values() | {"path": "x"})


def test_settings_without_a_file_travel_to_other_processes() -> None:
    settings = Settings.from_values(values(start=pandas.Timestamp("2024-03-01", tz="UTC")))
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert b"pandas" not in pickle.dumps(settings)
