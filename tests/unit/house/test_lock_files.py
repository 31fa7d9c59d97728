"""The lock files: everything pinned, everything with hashes, nothing that names a host."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TREE = Path(__file__).resolve().parents[3]
RUNTIME, DEVELOPMENT = "requirements.lock", "requirements-dev.lock"
PIN = re.compile(r"^(?P<name>[a-z0-9-]+)==(?P<version>\S+)(?: ; (?P<marker>.+?))?(?: \\)?$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$")


def pins(lock_file: str) -> set[tuple[str, str]]:
    lines = (TREE / lock_file).read_text().splitlines()
    return {(match["name"], match["version"]) for match in map(PIN.match, lines) if match}


def asked_for(lock_file: str) -> list[Requirement]:
    described: dict[str, Any] = tomllib.loads((TREE / "pyproject.toml").read_text())
    extras, groups = described["project"]["optional-dependencies"], described["dependency-groups"]
    asked = [*described["project"]["dependencies"], *extras["demo"], *extras["arrow"], *groups["build"]]
    if lock_file == DEVELOPMENT:
        asked += [*groups["dev"], *groups["benchmarks"]]
    return [Requirement(text) for text in asked]


@pytest.mark.parametrize("lock_file", [RUNTIME, DEVELOPMENT])
def test_a_lock_file_holds_pins_and_their_hashes_and_nothing_else(lock_file: str) -> None:
    lines = (TREE / lock_file).read_text().splitlines()
    assert [line for line in lines if not PIN.match(line) and not HASH.match(line)] == []
    without_hash = [
        line for line, after in zip(lines, [*lines[1:], ""], strict=True) if PIN.match(line) and not HASH.match(after)
    ]
    assert without_hash == []


@pytest.mark.parametrize("lock_file", [RUNTIME, DEVELOPMENT])
def test_a_lock_file_meets_everything_the_project_asks_for(lock_file: str) -> None:
    locked = pins(lock_file)
    unmet = [
        str(asked)
        for asked in asked_for(lock_file)
        if not any(name == canonicalize_name(asked.name) and version in asked.specifier for name, version in locked)
    ]
    assert unmet == []


def test_development_runs_on_the_versions_that_users_get() -> None:
    assert pins(RUNTIME) <= pins(DEVELOPMENT)
