"""The files that a user writes: read in one way, with one sentence for each way in which they cannot be."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any


def text_in(path: Path, name: str = "") -> str:
    """The file's text; raises ValueError with a sentence about `name`, the path by itself unless given."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{name or path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{name or path} is not UTF-8 text") from error


def toml_in(path: Path, name: str = "") -> dict[str, Any]:
    """The file's tables; raises ValueError as `text_in` does, and for what is not TOML."""
    text = text_in(path, name)
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise ValueError(f"{name or path} is not valid TOML: {error}") from error
