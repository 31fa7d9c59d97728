"""The command that writes a settings file: init."""

from __future__ import annotations

from pathlib import Path

import click

from actors.settings.model import DEFAULT_FILE
from actors.settings.template import TEMPLATE
from domain.errors import SettingsError


@click.command()
@click.argument("file", required=False)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.option("--settings", "settings_path", metavar="FILE", help="The same as FILE.")
def init(file: str | None, force: bool, settings_path: str | None) -> None:
    """Write a commented settings FILE [default: candles.toml] that is ready to run."""
    path = Path(file or settings_path or DEFAULT_FILE)
    try:
        with path.open("w" if force else "x", encoding="utf-8") as out:
            out.write(TEMPLATE)
    except FileExistsError as error:
        raise SettingsError(f"{path} exists already: --force overwrites it") from error
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}") from error
    click.echo(f"wrote {path}: `candles collect {path}` runs it")
