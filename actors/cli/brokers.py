"""The command that lists the brokers and shows what each of their gateways can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from actors.cli.support import json_option, write_json, write_table
from actors.cli.text import brokers as brokers_text
from domain.errors import SettingsError

if TYPE_CHECKING:
    from domain.brokers.gateway import GatewaySpec


@click.command()
@click.argument("name", required=False)
@json_option
def brokers(name: str | None, as_json: bool) -> None:
    """List the brokers that settings may name, or show what the gateway NAME can do.

    Gateways are built in, or installed beside Candle Collector. No request is made.
    """
    if name is not None:
        _show(name, as_json)
        return
    specs, broken = _all()
    if as_json:
        write_json([brokers_text.as_json(spec) for spec in specs])
    else:
        write_table(brokers_text.HEADS, map(brokers_text.row, specs))
    for sentence in broken:
        click.echo(f"candles: {sentence}", err=True)


def _show(name: str, as_json: bool) -> None:
    from actors.wiring import gateway_spec

    spec = gateway_spec(name)
    if as_json:
        write_json(brokers_text.as_json(spec))
    else:
        click.echo("\n".join(brokers_text.description(spec)))


def _all() -> tuple[list[GatewaySpec], list[str]]:
    """Every gateway's row, and a sentence for each gateway that cannot be loaded."""
    from actors.wiring import gateway_names, gateway_spec

    specs, broken = [], []
    for name in gateway_names():
        try:
            specs.append(gateway_spec(name))
        except SettingsError as error:
            broken.append(str(error))
    return specs, broken
