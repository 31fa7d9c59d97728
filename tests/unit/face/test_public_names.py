"""What users import: one package of names, each brought in when it is first used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import candle_collector

TREE = Path(__file__).resolve().parents[3]
SOURCE = ast.parse((TREE / "candle_collector" / "__init__.py").read_text(encoding="utf-8"))


def imported_by(statement: str) -> set[str]:
    """Every top-level module that is there once the statement has run in a fresh interpreter."""
    code = f"import sys\n{statement}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    ended = subprocess.run([sys.executable, "-c", code], cwd=TREE, capture_output=True, text=True, check=True)
    return set(ended.stdout.split())


def names_for_type_checkers() -> dict[str, str]:
    """Of every name that type checkers see: the module it comes from."""
    (block,) = (node for node in SOURCE.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module or "" for node in imports for alias in node.names}


@pytest.mark.parametrize(
    ("statement", "left_out"),
    [
        ("import candle_collector", {"domain", "adapters", "actors", "numpy", "ray", "aiohttp"}),
        ("from candle_collector import CandleReader", {"actors", "ray", "aiohttp", "pandas", "polars", "pyarrow"}),
        ("from candle_collector import Settings, ExitCode, Progress", {"ray", "aiohttp"}),
        ("from candle_collector import *", {"ray"}),
    ],
)
def test_what_is_not_used_is_not_imported(statement: str, left_out: set[str]) -> None:
    assert imported_by(statement) & left_out == set()


def test_type_checkers_see_the_same_names_from_the_same_places() -> None:
    at_run_time = {name: module for module, names in candle_collector._MODULES.items() for name in names}
    assert names_for_type_checkers() == at_run_time
    assert candle_collector.__all__ == sorted(at_run_time, key=lambda name: (name[0].islower(), name))
    assert dir(candle_collector) == sorted(at_run_time)


@pytest.mark.parametrize("name", candle_collector.__all__)
def test_every_public_name_is_there_and_says_what_it_is(name: str) -> None:
    value = getattr(candle_collector, name)
    assert value.__name__ == name
    assert value.__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'candle_collector' has no attribute 'CandleReeder'"):
        getattr(candle_collector, "CandleReeder")  # noqa: B009


def test_examples_import_nothing_else() -> None:
    allowed = sys.stdlib_module_names | {"candle_collector"}
    imported = [
        (file.name, name)
        for file in sorted((TREE / "examples").glob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    ]
    assert imported
    assert [(file, name) for file, name in imported if name.partition(".")[0] not in allowed] == []
