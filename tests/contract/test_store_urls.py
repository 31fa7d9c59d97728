"""Which stores the addresses in settings name, and what is said of those that name none."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors import wiring
from actors.settings.model import Settings
from adapters.candle_store.urls import candle_folder, candle_store_at
from adapters.job_store.urls import job_file, job_owners_at, job_store_at
from domain.errors import SettingsError
from tests.job_examples import NOW, REQUEST

CANDLES = "candles are kept in a local folder: write a folder like"
FOLDER = 'write a folder like "/data/candles" or "file:///data/candles"'
FILE = 'write "sqlite" or the whole path of a file like "sqlite:///data/jobs.sqlite"'


@pytest.mark.parametrize(
    ("address", "folder"),
    [
        ("/data/candles", "/data/candles"),
        ("/data/50% of @home?", "/data/50% of @home?"),
        ("file:///data/candles", "/data/candles"),
        ("file:///data/candles/", "/data/candles"),
        ("FILE://localhost/data/candles", "/data/candles"),
        ("file:/data/candles", "/data/candles"),
        ("file:////data/my%20candles%3F", "/data/my candles?"),
    ],
)
def test_an_address_names_the_folder_of_the_candles(address: str, folder: str) -> None:
    assert candle_folder(address) == Path(folder)
    assert candle_store_at(address).root == Path(folder)


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("s3://bucket/candles", f'storage.root begins with "s3:", and {CANDLES}'),
        ("s3://key:secret@bucket/candles", f'storage.root begins with "s3:", and {CANDLES}'),
        ("https://host/candles?token=secret", f'storage.root begins with "https:", and {CANDLES}'),
        ("sqlite:///data", f'storage.root begins with "sqlite:", and {CANDLES}'),
        ("data/candles", f"storage.root is no absolute path, and {CANDLES}"),
        ("", f"storage.root is no absolute path, and {CANDLES}"),
        ("file://data/candles", "storage.root cannot be used, it has a host, a user name or a password"),
        ("file://me:secret@/data/candles", "storage.root cannot be used, it has a host, a user name or a password"),
        ("file://me:secret@℀/data", "storage.root cannot be used, it is no URL"),
        ("file:///data?secret", "storage.root cannot be used, it goes on after a ? or a #"),
        ("file:///data#secret", "storage.root cannot be used, it goes on after a ? or a #"),
        ("file:data", "storage.root cannot be used, it has no absolute path"),
        ("file:///data%00", "storage.root cannot be used, it has no absolute path"),
    ],
)
def test_an_address_of_no_local_folder_is_refused_in_one_sentence_that_shows_no_password(
    address: str, sentence: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        candle_store_at(address)
    assert str(raised.value).startswith(sentence)
    assert str(raised.value).endswith(FOLDER)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("address", "file"),
    [
        ("sqlite", "/candles/jobs.sqlite"),
        ("sqlite:///data/jobs.sqlite", "/data/jobs.sqlite"),
        ("sqlite:////data/jobs.sqlite", "/data/jobs.sqlite"),
        ("SQLite:///data/our%20jobs.db", "/data/our jobs.db"),
    ],
)
def test_an_address_names_the_file_of_the_jobs(address: str, file: str) -> None:
    assert job_file(address, Path("/candles")) == Path(file)


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("postgresql://me:secret@host/jobs", 'storage.events begins with "postgresql:", and jobs are kept in an'),
        ("file:///data/jobs.sqlite", 'storage.events begins with "file:", and jobs are kept in an SQLite file'),
        ("/data/jobs.sqlite", "storage.events is not an address of events, and jobs are kept in an SQLite file"),
        ("sqlite://jobs.sqlite", "storage.events cannot be used, it has a host, a user name or a password"),
        ("sqlite://me:secret@/jobs.sqlite", "storage.events cannot be used, it has a host, a user name or a password"),
        ("sqlite:///data/jobs.sqlite?secret=1", "storage.events cannot be used, it goes on after a ? or a #"),
        ("sqlite:", "storage.events cannot be used, it has no absolute path"),
        ("sqlite:///", "storage.events names the folder /"),
        ("sqlite:///data/", "storage.events names the folder /data"),
    ],
)
def test_an_address_of_no_sqlite_file_is_refused_in_one_sentence_that_shows_no_password(
    address: str, sentence: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        job_store_at(address, Path("/candles"))
    assert str(raised.value).startswith(sentence)
    assert str(raised.value).endswith(FILE)
    assert "secret" not in str(raised.value)


def test_a_file_that_is_named_in_full_is_the_one_beside_the_candles_its_owners_too(tmp_path: Path) -> None:
    beside, named = "sqlite", f"sqlite://{tmp_path}/jobs.sqlite"
    job_id = job_store_at(beside, tmp_path).submit(REQUEST, NOW)
    elsewhere = tmp_path / "other candles"
    assert job_store_at(named, elsewhere).job_ids() == [job_id]
    with job_owners_at(beside, tmp_path).claim(job_id) or pytest.fail("nobody has it"):
        assert job_owners_at(named, elsewhere).claim(job_id) is None


def test_the_same_job_of_two_stores_in_one_folder_has_two_owners(tmp_path: Path) -> None:
    first, second = (job_owners_at(f"sqlite://{tmp_path}/{name}", tmp_path) for name in ("jobs.sqlite", "b.sqlite"))
    with first.claim("job") or pytest.fail("nobody has it"):
        assert second.claim("job") is not None


def test_settings_with_urls_open_the_stores_that_they_name(tmp_path: Path) -> None:
    storage = {"root": f"file://{tmp_path}/candles", "events": f"sqlite://{tmp_path}/events/jobs.sqlite"}
    settings = Settings.from_values({"storage": storage}, tmp_path / "candles.toml")
    assert wiring.candle_repository(settings.storage.root).root == tmp_path / "candles"
    assert wiring.job_owners(settings).find("job") is None
    assert wiring.job_store(settings).job_ids() == []
    assert not (tmp_path / "events").exists(), "looking leaves no trace"
    wiring.job_store(settings).submit(REQUEST, NOW)
    assert (tmp_path / "events" / "jobs.sqlite").exists()
    assert not (tmp_path / "candles").exists()


def test_settings_that_name_a_store_there_is_not_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    for storage in ({"root": "s3://bucket/candles"}, {"root": "candles", "events": "postgresql://host/jobs"}):
        settings = Settings.from_values({"storage": storage}, tmp_path / "candles.toml")
        with pytest.raises(SettingsError, match=r"^storage\.(root|events) begins with"):
            wiring.job_store(settings)
    assert list(tmp_path.iterdir()) == []
