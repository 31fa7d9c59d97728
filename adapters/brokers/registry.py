"""The registry of gateways by name, built in or installed beside us."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeAlias

from adapters.brokers.binance.gateway import BinanceGateway
from domain.brokers.gateway import Gateway
from domain.errors import SettingsError

GROUP = "candle_collector.gateways"
"""The entry point group under which an installed package offers gateways: a name, and a factory."""

Factory: TypeAlias = Callable[[Mapping[str, Any]], Gateway]
"""Makes a gateway of `[broker.options]`; raises ValueError with a sentence for options it does not take."""

_BUILT_IN: Mapping[str, Factory] = {"binance": BinanceGateway.from_options}


def gateway_names(installed: Iterable[EntryPoint] | None = None) -> list[str]:
    """The names of all gateways, sorted."""
    return sorted({*_BUILT_IN, *(point.name for point in _installed(installed))})


def make_gateway(name: str, options: Mapping[str, Any], installed: Iterable[EntryPoint] | None = None) -> Gateway:
    """The gateway of that name with these options.

    Raises SettingsError for an unknown name, options that it does not take, and a package that cannot be loaded or
    whose gateway has another name.
    """
    factory = _BUILT_IN.get(name) or _load(name, _installed(installed))
    try:
        gateway = factory(options)
    except ValueError as error:
        raise SettingsError(f"broker.options: {error}") from error
    if gateway.spec.name != name:
        # Jobs and limits use the one name, candles the other: they would never find each other.
        own = gateway.spec.name
        raise SettingsError(f'broker.gateway: "{name}" calls itself "{own}": its package has to offer it as that')
    return gateway


def _load(name: str, installed: Iterable[EntryPoint]) -> Factory:
    points = {point.name: point for point in installed}
    if name not in points:
        names = gateway_names(points.values())
        near = difflib.get_close_matches(name, names, n=1)
        advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
        raise SettingsError(f'broker.gateway: there is no gateway "{name}": {advice}')
    try:
        factory: Factory = points[name].load()
    except (ImportError, AttributeError) as error:
        where = points[name].value
        raise SettingsError(f'broker.gateway: "{name}" cannot be loaded from {where} on this node: {error}') from error
    return factory


def _installed(points: Iterable[EntryPoint] | None) -> Iterable[EntryPoint]:
    return entry_points(group=GROUP) if points is None else points
