"""Which candle store an address names: today always a folder on a disk of this machine."""

from __future__ import annotations

from pathlib import Path

from adapters.candle_store.repository import CandleFiles
from adapters.files.urls import path_in, scheme_of
from domain.errors import SettingsError

_NEEDED = 'write a folder like "/data/candles" or "file:///data/candles"'


def candle_store_at(address: str | Path) -> CandleFiles:
    """The candles at an address; raises SettingsError where no store can be."""
    return CandleFiles(candle_folder(address))


def candle_folder(address: str | Path) -> Path:
    """The folder that an address names; raises SettingsError where it names none."""
    if isinstance(address, Path) or address.startswith("/"):
        return Path(address)
    scheme = scheme_of(address)
    if scheme != "file":
        begins = f'begins with "{scheme}:"' if scheme else "is no absolute path"
        raise SettingsError(f"storage.root {begins}, and candles are kept in a local folder: {_NEEDED}")
    try:
        return path_in(address)
    except ValueError as error:
        raise SettingsError(f"storage.root cannot be used, {error}: {_NEEDED}") from error
