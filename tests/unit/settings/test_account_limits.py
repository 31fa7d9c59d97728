from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from actors.settings.account_limits import account_limits
from actors.settings.model import BrokerSettings, Settings
from adapters.brokers.binance.gateway import BinanceGateway
from domain.errors import SettingsError

TREE = Path(__file__).resolve().parents[3]


def settings_with(folder: Path, broker: str) -> Path:
    file = folder / "candles.toml"
    file.write_text(
        f'[broker]\ngateway = "binance"\n{broker}\n[storage]\nroot = "data"\n'
        '[job]\nsymbols = ["BTCUSDT"]\ninterval = "1d"\nstart = 2024-03-01\n'
    )
    return file


def broker_with(folder: Path, broker: str) -> BrokerSettings:
    return Settings.load(settings_with(folder, broker)).require_broker()


def test_without_limits_those_that_the_broker_documents_apply(tmp_path: Path) -> None:
    limits = account_limits(broker_with(tmp_path, ""), BinanceGateway())
    assert [str(limit) for limit in limits.limits] == ["6000w/60s"]
    assert (limits.timeout_seconds, limits.abandoned_seconds, limits.uplink_seconds) == (10.0, 10.0, None)


def test_an_uplink_is_the_users_word(tmp_path: Path) -> None:
    limits = account_limits(broker_with(tmp_path, "uplink_seconds = 0.5"), BinanceGateway())
    assert limits.uplink_seconds == 0.5


@pytest.mark.parametrize("value", ["0", "-1", "inf", '"0.5"'])
def test_an_uplink_is_a_number_of_seconds_above_0(tmp_path: Path, value: str) -> None:
    with pytest.raises(SettingsError, match=r"broker\.uplink_seconds"):
        broker_with(tmp_path, f"uplink_seconds = {value}")


def test_a_limit_into_which_no_request_fits_is_refused(tmp_path: Path) -> None:
    broker = broker_with(tmp_path, 'limits = ["15/1s", "1w/60s"]')
    with pytest.raises(SettingsError, match='no request ever fits into "1w/60s": at binance each weighs 2'):
        account_limits(broker, BinanceGateway())


def test_a_pool_that_the_gateway_never_draws_on_is_refused_for_it_would_limit_nothing(tmp_path: Path) -> None:
    broker = broker_with(tmp_path, 'limits = ["15/1s", "3/1s@historical"]')
    with pytest.raises(SettingsError, match='"3/1s@historical" limits nothing: binance has no pool "historical"'):
        account_limits(broker, BinanceGateway())


def test_one_window_given_twice_is_refused_and_one_for_each_pool_is_not(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="one window is given twice"):
        broker_with(tmp_path, 'limits = ["15/1s@a", "20/1000ms@a"]')
    assert len(broker_with(tmp_path, 'limits = ["15/1s", "15w/1s", "20/1s@a", "20/1s@b"]').limits or ()) == 4


def test_collect_with_a_limit_that_can_never_be_kept_ends_with_a_sentence_and_no_job(tmp_path: Path) -> None:
    file = settings_with(tmp_path, 'limits = ["1w/60s"]')
    command = [sys.executable, "-m", "actors"]
    collect = [*command, "collect", "--settings", str(file)]
    ended = subprocess.run(collect, cwd=TREE, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert ended.stderr == 'candles: broker.limits: no request ever fits into "1w/60s": at binance each weighs 2\n'
    listing = [*command, "jobs", "--json", "--settings", str(file)]
    assert subprocess.run(listing, cwd=TREE, capture_output=True, text=True, timeout=60, check=True).stdout == "[]\n"
