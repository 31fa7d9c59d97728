"""The files that a page of the documentation holds: blocks whose fence names a title."""

from __future__ import annotations

import re
from pathlib import Path

TREE = Path(__file__).resolve().parents[1]
_TITLED = re.compile(r"^```\w+ title=(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def files_of(page: str) -> dict[str, str]:
    """The titled blocks of a page of docs/, by title."""
    return dict(_TITLED.findall((TREE / "docs" / page).read_text()))


def write_files(page: str, folder: Path) -> None:
    """Write them all into a folder."""
    for name, text in files_of(page).items():
        (folder / name).write_text(text)
