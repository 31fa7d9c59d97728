from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from actors.settings.model import Settings
from actors.use_cases.request_from_settings import request_from
from adapters.brokers.binance.gateway import BinanceGateway
from adapters.in_memory import InMemoryGateway
from domain.brokers.gateway import GatewaySpec
from domain.errors import SettingsError
from domain.jobs.request import CollectionRequest
from domain.spans.time_span import to_milliseconds

START = datetime(2024, 3, 1, tzinfo=UTC)


def asked(folder: Path, job: str, now: datetime) -> CollectionRequest:
    file = folder / "candles.toml"
    file.write_text(
        f'[broker]\ngateway = "binance"\n[job]\nsymbols = ["A"]\ninterval = "1h"\nstart = 2024-03-01\n{job}\n'
        '[storage]\nroot = "data"\n'
    )
    return request_from(Settings.load(file), InMemoryGateway(), now)


def test_without_an_end_it_asks_up_to_the_last_bar_that_has_closed(tmp_path: Path) -> None:
    request = asked(tmp_path, "", START.replace(hour=7, minute=59, second=59))
    assert (request.span.start_ms, request.span.end_ms) == (
        to_milliseconds(START),
        to_milliseconds(START.replace(hour=7)),
    )
    assert request.open_ended


def test_a_bar_that_closes_this_very_moment_is_asked_for(tmp_path: Path) -> None:
    assert asked(tmp_path, "", START.replace(hour=7)).span.end_ms == to_milliseconds(START.replace(hour=7))


def test_an_end_in_the_past_is_kept_and_one_in_the_future_is_cut_to_what_has_closed(tmp_path: Path) -> None:
    past = asked(tmp_path, "end = 2024-03-01T05:00:00Z", START.replace(hour=9))
    assert past.span.end_ms == to_milliseconds(START.replace(hour=5))
    future = asked(tmp_path, "end = 2024-03-02", START.replace(hour=9, minute=30))
    assert future.span.end_ms == to_milliseconds(START.replace(hour=9))
    assert not past.open_ended
    assert not future.open_ended


@pytest.mark.parametrize("now", [START.replace(minute=59), datetime(2024, 2, 1, tzinfo=UTC)])
def test_a_start_after_which_no_bar_has_closed_is_refused(tmp_path: Path, now: datetime) -> None:
    with pytest.raises(SettingsError, match="no 1h bar"):
        asked(tmp_path, "", now)


def test_a_start_before_all_that_a_calendar_knows_is_wrong_input_and_no_traceback() -> None:
    job = {"symbols": ["A"], "interval": "1M", "start": "1960-01-01"}
    settings = Settings.from_values({"broker": {"gateway": "binance"}, "job": job, "storage": {"root": "data"}})
    with pytest.raises(SettingsError, match=r"settings: job\.start: the grid 1M knows where bars open in \[1970"):
        request_from(settings, BinanceGateway(), START)


def test_a_batch_is_as_many_symbols_as_one_query_may_name_unless_the_settings_say_otherwise(tmp_path: Path) -> None:
    class Many(InMemoryGateway):
        @property
        def spec(self) -> GatewaySpec:
            return replace(super().spec, most_instruments=50)

    file = tmp_path / "candles.toml"
    asked(tmp_path, "", START.replace(hour=7))
    assert request_from(Settings.load(file), Many(), START.replace(hour=7)).batch_size == 50
    asked(tmp_path, "batch_size = 3", START.replace(hour=7))
    assert request_from(Settings.load(file), Many(), START.replace(hour=7)).batch_size == 3
