"""The lock files: everything pinned, everything with hashes, nothing that names a host."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

TREE = Path(__file__).resolve().parents[3]
RUNTIME, DEVELOPMENT = "requirements.lock", "requirements-dev.lock"
PYTHONS = ("3.11.7", "3.12.1", "3.13.0")
LINUX = {"sys_platform": "linux", "platform_python_implementation": "CPython", "implementation_name": "cpython"}
PIN = re.compile(r"^(?P<name>[a-z0-9-]+)==(?P<version>\S+)(?: ; (?P<marker>.+?))?(?: \\)?$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$")


def pins(lock_file: str, python: str = "") -> list[tuple[str, str]]:
    """Name and version of every pin, or of those that hold for a version of Python on Linux."""
    matches = filter(None, map(PIN.match, (TREE / lock_file).read_text().splitlines()))
    here = {"python_version": python.rpartition(".")[0], "python_full_version": python}
    return [
        (match["name"], match["version"])
        for match in matches
        if not python or not match["marker"] or Marker(match["marker"]).evaluate({**LINUX, **here})
    ]


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


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("lock_file", [RUNTIME, DEVELOPMENT])
def test_a_lock_file_meets_everything_the_project_asks_for_under_each_python(lock_file: str, python: str) -> None:
    locked = pins(lock_file, python)
    unmet = [
        str(asked)
        for asked in asked_for(lock_file)
        if not any(name == canonicalize_name(asked.name) and version in asked.specifier for name, version in locked)
    ]
    assert unmet == []


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("lock_file", [RUNTIME, DEVELOPMENT])
def test_a_lock_file_names_one_version_of_a_package_for_each_python(lock_file: str, python: str) -> None:
    names = [name for name, _ in pins(lock_file, python)]
    assert sorted(names) == sorted(set(names))


def test_the_project_file_and_make_name_the_same_pythons() -> None:
    project = tomllib.loads((TREE / "pyproject.toml").read_text())["project"]
    minors = [python.rpartition(".")[0] for python in PYTHONS]
    classifiers = [line for line in project["classifiers"] if line.startswith("Programming Language :: Python :: ")]
    assert [line.rpartition(" ")[2] for line in classifiers] == minors
    allowed = SpecifierSet(project["requires-python"])
    assert all(python in allowed for python in PYTHONS)
    assert not any(f"3.{minor}.0" in allowed for minor in (10, 14))
    makefile = (TREE / "Makefile").read_text()
    assert re.findall(r"python(3\.\d+)", makefile.partition("PYTHON ?=")[2].partition("do")[0]) == minors[::-1]
    assert "(3, 11) <= sys.version_info[:2] <= (3, 13)" in makefile


def test_development_runs_on_the_versions_that_users_get() -> None:
    assert set(pins(RUNTIME)) <= set(pins(DEVELOPMENT))
