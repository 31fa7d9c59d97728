"""`candles brokers`: what it tells of each gateway."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.metadata import EntryPoint, EntryPoints

import pytest
from click.testing import CliRunner, Result

from actors.cli.main import commands
from actors.cli.text.brokers import HEADS, description, row
from adapters.brokers import registry
from adapters.brokers.binance.gateway import SPEC
from domain.brokers.wire import Charge
from domain.limits.rates import RateLimit


def run(*arguments: str) -> Result:
    return CliRunner().invoke(commands, ["brokers", *arguments])


def test_the_list_has_a_line_for_each_gateway_that_fits_a_terminal() -> None:
    result = run()
    assert result.exit_code == 0
    heads, binance = result.stdout.splitlines()[:2]
    assert tuple(heads.split()) == HEADS
    assert binance.split()[:2] == ["binance", "6000w/60s"]
    assert "16: 1s to 1M" in binance
    assert max(map(len, result.stdout.splitlines())) <= 100


def test_one_gateway_is_told_with_all_it_declares() -> None:
    result = run("binance")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "binance: https://api.binance.com",
        '  limits       6000w/60s, per IP address and shared by all gateways of "binance"',
        "  requests     2 tokens",
        "  longest ban  3 d 00 h",
        "  intervals    1s 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 3d 1w 1M",
        "  a response   1,000 bars of 1 symbol at most",
        "  bars         in every interval, never rewritten",
        "  symbols      not listed, without their first bar",
        "  credentials  none",
        "  verified     against the broker itself",
    ]


def test_json_has_the_fields_of_the_spec() -> None:
    (first, *_), one = json.loads(run("--json").stdout), json.loads(run("binance", "--json").stdout)
    assert first == one
    assert (one["name"], one["limits"], one["charges"]) == ("binance", ["6000w/60s"], [{"tokens": 2, "pool": ""}])


def test_a_name_that_there_is_not_is_a_sentence_and_exit_code_2() -> None:
    result = run("binanze")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == 'candles: broker.gateway: there is no gateway "binanze": did you mean binance?\n'


def test_a_package_that_cannot_be_loaded_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = EntryPoints([EntryPoint("broken", "no_such_module:Gateway", registry.GROUP)])
    monkeypatch.setattr(registry, "entry_points", lambda group: broken)
    result = run()
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1].startswith("binance")
    assert '"broken" cannot be loaded from no_such_module:Gateway' in result.stderr


def test_what_a_gateway_needs_and_lacks_is_told() -> None:
    spec = replace(
        SPEC,
        name="other",
        limits=(RateLimit.parse("3/1s"), RateLimit.parse("100/60s@history")),
        scope="key",
        intervals=("1m", "1d"),
        charges=(Charge(), Charge(5, "history")),
        most_instruments=20,
        bars_only_where_traded=True,
        rewrites_history=True,
        may_be_negative=True,
        finds_listings=True,
        lists_symbols=True,
        credentials=("api_key", "secret"),
        is_verified=False,
    )
    assert row(spec) == (
        "other",
        "3/1s, 100/60s@history",
        "API key",
        "1m 1d",
        "1,000",
        "20",
        "api_key, secret",
        "no",
    )
    text = "\n".join(description(spec))
    for fact in (
        "1 token or 5 tokens of the pool history",
        "1,000 bars of 20 symbols at most",
        "only where there was trade, rewritten later, prices may be negative",
        "listed by the broker, with their first bar",
        "not verified against the broker itself",
    ):
        assert fact in text
