"""results.md: the latest results, one section for each part of the benchmarks."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.tables import Table

LIBRARIES = ("ray", "aiolimiter", "eventsourcing")
_HEAD = "# Benchmark results\n\nThe machine was shared: read the figures as ratios.\n\n"
_PART = re.compile(r"<!-- part: (\w+) -->\n(.*?)(?=<!-- part: |\Z)", re.DOTALL)


def write(
    path: Path, part: str, tables: Sequence[Table], seconds: float, order: Iterable[str], picture: str = ""
) -> None:
    """Replace the part's section; the others stay as they are."""
    sections = dict(_PART.findall(path.read_text(encoding="utf-8"))) if path.exists() else {}
    sections[part] = _section(part, tables, seconds, picture)
    texts = (f"<!-- part: {name} -->\n{sections[name]}" for name in order if name in sections)
    path.write_text(_HEAD + "".join(texts), encoding="utf-8")


def _section(part: str, tables: Sequence[Table], seconds: float, picture: str) -> str:
    first, *others = (table.markdown() for table in tables)
    return "\n".join([first, *([f"![{part}]({picture})", ""] if picture else []), *others, _circumstances(seconds), ""])


def _circumstances(seconds: float) -> str:
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        f"*{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {libraries}; took {seconds / 60:.1f} minutes.*\n"
    )
