"""Extras: libraries that are there only for those who asked for them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from domain.errors import SettingsError


def require(module: str, extra: str) -> Any:
    """The module, for an optional extra; SettingsError naming the extra when it is not installed."""
    try:
        return import_module(module)
    except ImportError:
        raise SettingsError(f"{module} is not installed: pip install 'candle-collector[{extra}]'") from None
