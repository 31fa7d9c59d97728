"""The pages that people read, as tests see them: their blocks of code, the commands they name, and the markers.

A comment on the line before a block says what a test does with it:

    <!-- not run: REASON -->                     it is only checked, not carried out
    <!-- run against a simulated exchange -->    candles.toml is pointed at one first
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TREE = Path(__file__).resolve().parents[1]
SHELL = ("sh", "bash", "shell", "console")

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\s*$")
_MARKER = re.compile(r"^ *<!-- (?P<said>.+?) -->\s*$")
_INLINE = re.compile(r"`(candles [^`]+)`")
_CALL = re.compile(r"^(?:\S*/)?(?:candles|python -m actors)(?= |$)")
NOT_RUN, SIMULATED = "not run: ", "run against a simulated exchange"


@dataclass(frozen=True)
class Block:
    """A fenced block of code, where it begins, and what its marker says."""

    page: Path
    line: int
    language: str
    text: str
    marker: str = ""

    def __str__(self) -> str:
        return f"{self.page.relative_to(TREE)}:{self.line}"

    @property
    def is_run(self) -> bool:
        return not self.marker.startswith(NOT_RUN)

    def commands(self) -> list[str]:
        """Every line of a shell block as it would be typed; one that goes on after a \\ is one line."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line.strip().removeprefix("$ ") for line in lines if line.strip() and not line.startswith("#")]


def pages() -> list[Path]:
    """Every page for people, but for what was written down once and stays as it was."""
    found = [*TREE.glob("*.md"), *(TREE / "docs").rglob("*.md")]
    return sorted(page for page in found if page.name != "CHANGELOG.md" and "decisions" not in page.parts)


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in their order."""
    found: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        fence = _FENCE.match(lines[number])
        number += 1
        if fence is None:
            continue
        first, indent = number, len(fence["indent"])
        while not _FENCE.match(lines[number]):
            number += 1
        text = "".join(f"{line[indent:]}\n" for line in lines[first:number])
        marker = _MARKER.match(lines[first - 2]) if first > 1 else None
        found.append(Block(page, first, fence["language"], text, marker["said"] if marker else ""))
        number += 1
    return found


def named_commands(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Every call of `candles` that a page names, in shell blocks and in its text: where, and the words after it."""
    for block in blocks(page):
        for line in block.commands() if block.language in SHELL else []:
            if call := _CALL.match(line):
                yield str(block), shlex.split(line[call.end() :], comments=True)
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        for written in _INLINE.findall(line):
            yield f"{page.relative_to(TREE)}:{number}", written.replace("\\|", "|").split()[1:]
