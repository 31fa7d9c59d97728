"""The settings file: what it gives, and the sentence that each mistake in it gets."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from actors.settings.model import Settings, find_settings_file
from actors.settings.template import TEMPLATE
from domain.candles.dataset import Interval
from domain.errors import SettingsError
from domain.jobs.request import FailureAllowance, OnTooManyFailures
from domain.limits.rates import RateLimit

BROKER = '[broker]\ngateway = "binance"\n'
STORAGE = '[storage]\nroot = "data"\n'
JOB = '[job]\nsymbols = ["BTCUSDT"]\ninterval = "1m"\nstart = 2024-03-01\n'


def read(text: str) -> Settings:
    return Settings.from_values(tomllib.loads(text), Path("candles.toml"))


def mistake(text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        read(text)
    return str(caught.value)


def test_the_template_is_valid_and_is_the_example() -> None:
    settings = read(TEMPLATE)
    assert settings.require_job().symbols == ("BTCUSDT", "ETHUSDT")
    example = Path(__file__).parents[3] / "examples" / "candles.toml"
    assert example.read_text() == TEMPLATE


def test_keys_shown_commented_out_in_the_template_are_the_defaults() -> None:
    lines = [line.removeprefix("# ") if " = " in line else line for line in TEMPLATE.splitlines()[1:]]
    written, default = read("\n".join(lines)), read(TEMPLATE)
    assert written.job == default.job
    assert written.storage == default.storage
    assert written.cluster == default.cluster
    assert written.require_broker().account == default.require_broker().account
    assert written.require_broker().timeout_seconds == default.require_broker().timeout_seconds


def test_every_value_arrives_as_what_the_domain_works_with() -> None:
    settings = read(
        BROKER
        + 'limits = ["15/1s", "6000w/60s"]\nbase_url = "http://127.0.0.1:8080/"\ntimeout_seconds = 3\n'
        + JOB
        + 'end = 2024-03-07T22:40:00+02:00\nmax_failures = 25\non_too_many_failures = "fail"\n'
        + STORAGE
    )
    broker, job = settings.require_broker(), settings.require_job()
    assert broker.limits == (RateLimit.parse("15/1s"), RateLimit.parse("6000w/60s"))
    assert broker.base_url == "http://127.0.0.1:8080"
    assert broker.timeout_seconds == 3.0
    assert job.interval == Interval("1m")
    assert job.start == datetime(2024, 3, 1, tzinfo=UTC)
    assert job.end == datetime(2024, 3, 7, 20, 40, tzinfo=UTC)
    assert job.max_failures == FailureAllowance(count=25)
    assert job.on_too_many_failures is OnTooManyFailures.FAIL


def test_broker_and_job_may_be_left_out_until_a_command_needs_them() -> None:
    settings = read(STORAGE)
    with pytest.raises(SettingsError, match=r"^candles.toml: this needs a section \[job\], and there is none$"):
        settings.require_job()
    with pytest.raises(SettingsError, match=r"^candles.toml: this needs a section \[broker\], and there is none$"):
        settings.require_broker()


def test_relative_paths_count_from_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "symbols.txt").write_text("# majors\nBTCUSDT\n\nETHUSDT  # the second\n")
    path = tmp_path / "candles.toml"
    path.write_text(JOB.replace('symbols = ["BTCUSDT"]', 'symbols_file = "symbols.txt"') + STORAGE)
    settings = Settings.load(path)
    assert settings.storage.root == str(tmp_path / "data")
    assert settings.require_job().symbols == ("BTCUSDT", "ETHUSDT")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (STORAGE + "[jobs]\n", "jobs is an unknown section: did you mean job?"),
        (STORAGE + "[cloud]\n", "cloud is an unknown section: the sections are broker, job, storage and cluster"),
        (STORAGE + JOB + "concurency = 3\n", "job.concurency is an unknown key: did you mean concurrency?"),
        (STORAGE + "colour = 1\n", "storage.colour is an unknown key: [storage] may have root and events"),
        ("", 'storage is missing: write a section [storage] with root = "a folder"'),
        ("broker = 3\n" + STORAGE, "broker is 3: write a section [broker]"),
        ('path = "x"\n' + STORAGE, "path is not a section of settings"),
        ("[storage]\nroot = 3\n", "storage.root is 3: write a text in quotes that is not empty"),
        (
            STORAGE + 'events = "postgres"\n',
            'storage.events is "postgres": write "sqlite", or an address like "sqlite:///data/jobs.sqlite"',
        ),
        (
            STORAGE + 'events = "postgresql://me:sec@ret@host/jobs"\n',
            'storage.events is "postgresql://***@host/jobs": leave the user name and the password out of the address',
        ),
        (
            '[storage]\nroot = "s3://key:secret@bucket/candles"\n',
            'storage.root is "s3://***@bucket/candles": leave the user name and the password out of the address',
        ),
        (
            STORAGE + '[cluster]\naddress = "here"\n',
            'cluster.address is "here": write "embedded", "auto", or where a cluster is, like "ray://head:10001"',
        ),
        (
            STORAGE + "[broker]\n",
            'broker.gateway is missing: write the name of a gateway, like "binance": `candles brokers` lists them',
        ),
        (STORAGE + "[broker]\ngateway = 5\n", "broker.gateway is 5: write a text in quotes that is not empty"),
        (
            STORAGE + BROKER + 'limits = ["fast"]\n',
            'broker.limits is ["fast"]: \'fast\' is not a rate limit: write it like "15/1s", or "6000w/60s" for weight',
        ),
        (
            STORAGE + BROKER + 'limits = ["15/1s", "20/1s"]\n',
            'broker.limits is ["15/1s", "20/1s"]: one window is given twice: keep the smaller limit',
        ),
        (
            STORAGE + BROKER + "limits = []\n",
            'broker.limits is []: write a list like ["15/1s"], or leave it out for what the broker documents',
        ),
        (
            STORAGE + BROKER + "timeout_seconds = inf\n",
            "broker.timeout_seconds is Infinity: write a number of seconds above 0, like 10",
        ),
        (
            STORAGE + BROKER + 'base_url = "api.binance.com"\n',
            'broker.base_url is "api.binance.com": write a web address like "https://api.binance.com"',
        ),
        (
            STORAGE + JOB + "end = 2024-03-01\n",
            "job: start 2024-03-01T00:00:00+00:00 must come before end 2024-03-01T00:00:00+00:00",
        ),
        (
            STORAGE + JOB + "end = 2024-03-02T00:00:00\n",
            "job.end: 2024-03-02T00:00:00 has no time zone: "
            "write 2024-03-02T00:00:00Z for UTC, or an offset like 2024-03-02T00:00:00+02:00",
        ),
        (
            STORAGE + JOB + 'end = "tomorrow"\n',
            "job.end: 'tomorrow' is not a timestamp: write one like 2024-03-01T12:00:00Z",
        ),
        (
            STORAGE + JOB + 'end = "2024-03-02T00:00:00"\n',
            'job.end is "2024-03-02T00:00:00": 2024-03-02T00:00:00 has no time zone: '
            "write 2024-03-02T00:00:00Z for UTC, or an offset like 2024-03-02T00:00:00+02:00",
        ),
        (
            STORAGE + JOB + "end = 2024\n",
            "job.end is 2024: write a timestamp like 2024-03-01T00:00:00Z, or a bare date",
        ),
        (STORAGE + JOB + "workers = 0\n", "job.workers is 0: write a whole number, at least 1"),
        (STORAGE + JOB + 'workers = "2"\n', 'job.workers is "2": write a whole number, at least 1'),
        (STORAGE + JOB + "workers = true\n", "job.workers is true: write a whole number, at least 1"),
        (
            STORAGE + JOB + 'max_failures = "some"\n',
            "job.max_failures: 'some' is not a number of failures: write a count like 25 or a share like \"10%\"",
        ),
        (
            STORAGE + JOB + "max_failures = 1.5\n",
            'job.max_failures is 1.5: write a count like 25 or a share like "10%"',
        ),
        (
            STORAGE + JOB + 'on_too_many_failures = "stop"\n',
            'job.on_too_many_failures is "stop": write "pause" or "fail"',
        ),
        (
            STORAGE + JOB.replace('["BTCUSDT"]', "[]"),
            'job.symbols is []: write a list with at least one symbol, like ["BTCUSDT"]',
        ),
        (
            STORAGE + JOB.replace('["BTCUSDT"]', '["A", "B", "A"]'),
            'job.symbols is ["A", "B", "A"]: \'A\' is named twice: name each symbol once',
        ),
        (
            STORAGE + JOB.replace("1m", "1x"),
            'job.interval: \'1x\' is not an interval: write a count and one of s m h d w M, like "1m", "1d" or "1M"',
        ),
        (
            STORAGE + JOB + 'symbols_file = "symbols.txt"\n',
            "job: write either symbols or symbols_file, one of the two",
        ),
        (STORAGE + JOB.replace("interval", "intervall"), "job.intervall is an unknown key: did you mean interval?"),
    ],
)
def test_each_mistake_gets_one_sentence_that_names_the_place(text: str, sentence: str) -> None:
    said = mistake(text)
    assert said.partition(" (and ")[0] == f"candles.toml: {sentence}"
    assert "\n" not in said


def test_more_mistakes_than_the_one_named_are_counted() -> None:
    assert mistake(STORAGE + JOB + "workers = 0\nbatch_size = 0\n").endswith(" (and 1 more problem)")


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    said = mistake(STORAGE + BROKER + 'base_url = "https://me:secret@example.com"\n')
    assert "leave the user name and the password out of the address" in said
    assert "secret" not in said


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"BTCUSDT\n\nETHUSDT\nBTCUSDT\n", ", line 4: 'BTCUSDT' is already named in line 1"),
        (b"BTC USDT\n", ", line 1: 'BTC USDT' is not a symbol: write one symbol a line"),
        (b"# nothing\n", " names no symbol: write one a line"),
        (b"\xff\xfe", " is not UTF-8 text"),
    ],
)
def test_a_mistake_in_the_file_of_symbols_is_named_with_its_line(tmp_path: Path, content: bytes, sentence: str) -> None:
    symbols, path = tmp_path / "symbols.txt", tmp_path / "candles.toml"
    symbols.write_bytes(content)
    path.write_text(JOB.replace('symbols = ["BTCUSDT"]', 'symbols_file = "symbols.txt"') + STORAGE)
    with pytest.raises(SettingsError) as caught:
        Settings.load(path)
    assert str(caught.value) == f"{path}: job.symbols_file: {symbols}{sentence}"


def test_a_file_of_symbols_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "candles.toml"
    path.write_text(JOB.replace('symbols = ["BTCUSDT"]', 'symbols_file = "gone.txt"') + STORAGE)
    with pytest.raises(SettingsError, match=r"job\.symbols_file: .*gone\.txt cannot be read: No such file"):
        Settings.load(path)


def test_a_file_that_is_no_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "candles.toml"
    path.write_text("[storage]\nroot = \n")
    with pytest.raises(SettingsError, match=r"candles\.toml: the settings file is not valid TOML: .*line 2"):
        Settings.load(path)


def test_a_folder_or_no_utf_8_instead_of_a_settings_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="the settings file cannot be read: Is a directory"):
        Settings.load(tmp_path)
    path = tmp_path / "candles.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="is not UTF-8 text"):
        Settings.load(path)


def test_the_file_named_comes_before_the_environment_and_that_before_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("named.toml", "environment.toml", "candles.toml"):
        (tmp_path / name).touch()
    environment = {"CANDLES_SETTINGS": "environment.toml"}
    assert find_settings_file("named.toml", environment) == Path("named.toml")
    assert find_settings_file(None, environment) == Path("environment.toml")
    assert find_settings_file(None, {}) == Path("candles.toml")


def test_no_settings_file_anywhere_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=r"^there is no candles\.toml here: .*`candles init` write one$"):
        find_settings_file(None, {})
    with pytest.raises(SettingsError, match=r"^x\.toml: there is no such settings file: `candles init x\.toml`"):
        find_settings_file("x.toml", {})
    with pytest.raises(SettingsError, match=r"CANDLES_SETTINGS names it"):
        find_settings_file(None, {"CANDLES_SETTINGS": "x.toml"})


def test_a_secret_written_into_the_file_is_refused_and_not_repeated() -> None:
    said = mistake(STORAGE + BROKER + '[broker.credentials]\nkey = "s3cr3t"\n')
    assert "broker.credentials: key: this is no reference to a secret: write where it is" in said
    assert "s3cr3t" not in said
