"""Several brokers, several jobs and several intervals in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from actors.settings.model import Settings
from domain.errors import SettingsError

STORAGE = {"root": "data"}
HOURS = {"symbols": ["A"], "interval": "1h", "start": "2024-03-01"}
SLOW = {"gateway": "binance", "name": "slow", "limits": ["1/1s"]}
FAST = {"gateway": "binance", "account": "other"}


def settings(**values: Any) -> Settings:
    return Settings.from_values({"storage": STORAGE, **values}, Path("/folder/candles.toml"))


def told(**values: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        settings(**values)
    return str(caught.value)


def test_one_section_of_each_is_what_it_always_was() -> None:
    one = settings(broker=FAST, job=HOURS)
    assert one.jobs == (one,)
    assert one == settings(broker=[FAST], job=[HOURS])


def test_each_job_has_the_broker_that_it_names() -> None:
    several = settings(broker=[SLOW, FAST], job=[{**HOURS, "broker": "slow"}, {**HOURS, "broker": "binance"}])
    assert [one.require_broker().account for one in several.jobs] == ["default", "other"]
    assert [str(limit) for limit in several.jobs[0].require_broker().limits or ()] == ["1/1s"]
    assert several.require_broker() == several.jobs[0].require_broker()


def test_several_intervals_are_a_job_each() -> None:
    rest = {name: value for name, value in HOURS.items() if name != "interval"}
    several = settings(broker=FAST, job={**rest, "intervals": ["1m", "1h", "1M"]})
    assert [str(one.require_job().interval) for one in several.jobs] == ["1m", "1h", "1M"]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"broker": [SLOW, FAST], "job": HOURS}, 'job.broker is missing: write broker = "NAME", one of binance, slow'),
        (
            {"broker": [SLOW, FAST], "job": {**HOURS, "broker": "kraken"}},
            'job.broker is "kraken": there is no such broker, but binance, slow',
        ),
        ({"broker": [FAST, FAST], "job": HOURS}, 'two [[broker]] sections are called "binance"'),
        ({"broker": [SLOW, FAST]}, "several [[broker]] sections need [[job]] sections that name theirs"),
        ({"broker": FAST, "job": []}, "job is an empty list: write a section [job]"),
        ({"broker": FAST, "job": {**HOURS, "intervals": ["1m"]}}, "write either interval ="),
        ({"broker": FAST, "job": [HOURS, {**HOURS, "interval": "1x"}]}, "candles.toml, job 2: job.interval"),
        ({"broker": FAST, "job": HOURS, "parts": []}, "parts is not a section of settings"),
    ],
)
def test_sections_that_do_not_go_together_are_told_in_a_sentence(values: dict[str, Any], sentence: str) -> None:
    said = told(**values)
    assert said.startswith("/folder/candles.toml")
    assert sentence in said
