"""The registry: which gateways there are, and the sentences for those that there are not."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from adapters.brokers.registry import GROUP, gateway_names, make_gateway
from domain.errors import SettingsError

INSTALLED = [
    EntryPoint("memory", "adapters.in_memory.broker:InMemoryGateway.from_options", GROUP),
    EntryPoint("renamed", "adapters.in_memory.broker:InMemoryGateway.from_options", GROUP),
    EntryPoint("broken", "adapters.in_memory.no_such_module:Gateway", GROUP),
]


def test_an_installed_gateway_stands_beside_the_built_in_ones() -> None:
    assert gateway_names(INSTALLED) == ["binance", "broken", "memory", "renamed"]
    assert make_gateway("memory", {}, INSTALLED).spec.name == "memory"
    assert make_gateway("binance", {}, INSTALLED).spec.name == "binance"


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("binanse", {}, 'there is no gateway "binanse": did you mean binance?'),
        ("zzz", {}, 'there is no gateway "zzz": there are binance, broken, memory, renamed'),
        ("broken", {}, '"broken" cannot be loaded from adapters.in_memory.no_such_module:Gateway on this node'),
        ("renamed", {}, '"renamed" calls itself "memory"'),
        ("binance", {"feed": "sip"}, "broker.options: binance takes no options: leave feed out"),
    ],
)
def test_what_cannot_be_had_is_refused_in_a_sentence(name: str, options: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        make_gateway(name, options, INSTALLED)
    assert sentence in str(caught.value)
