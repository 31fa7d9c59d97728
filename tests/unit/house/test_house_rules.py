"""The rules of the house that a tool can hold."""

from __future__ import annotations

import ast
import inspect
import pickle
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.errors import CollectorError

TREE = Path(__file__).resolve().parents[3]
ROOMS = ("domain", "adapters", "actors", "candle_collector")
MOST_LINES_IN_A_FILE = 300
MOST_LINES_IN_A_FUNCTION = 45
DOMAIN_MAY_IMPORT = {"domain", "numpy", "eventsourcing.domain"}
NOT_FOR_THE_DOMAIN = {"asyncio", "concurrent", "multiprocessing", "os", "pathlib", "random", "socket", "time"}
CLOCK_READS = {"now", "utcnow", "today", "monotonic", "perf_counter", "time_ns"}
MAY_CALL_OTHER_PROCESSES = TREE / "actors" / "cluster"
UNFINISHED = re.compile(r"\b(TO[D]O|FIX[M]E|XX[X]|HA[C]K)\b")
DUMMIES: dict[Any, Any] = {str: "text", int: 7, float: 1.5}


def sources(*rooms: str) -> list[Path]:
    files = sorted(file for room in rooms for file in (TREE / room).rglob("*.py"))
    assert files, f"no sources in {rooms}: is the test looking in the right place?"
    return files


def where(file: Path, node: ast.AST) -> str:
    return f"{file.relative_to(TREE)}:{getattr(node, 'lineno', 0)}"


def nodes(*rooms: str) -> Iterator[tuple[Path, ast.AST]]:
    for file in sources(*rooms):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            yield file, node


def imported_names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return []


def is_broad(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or (
        isinstance(handler.type, ast.Name) and handler.type.id in {"Exception", "BaseException"}
    )


def does_nothing(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass | ast.Continue) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def every_error(root: type[CollectorError] = CollectorError) -> list[type[CollectorError]]:
    return [root, *(error for child in root.__subclasses__() for error in every_error(child))]


def build(error_class: type[CollectorError]) -> CollectorError:
    if error_class.__init__ is Exception.__init__:
        return error_class("text")
    _, *parameters = inspect.signature(error_class.__init__, eval_str=True).parameters.values()
    assert all(parameter.kind is not parameter.KEYWORD_ONLY for parameter in parameters)
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return error_class("text")
    return error_class(*(DUMMIES[parameter.annotation] for parameter in parameters))


def test_no_file_is_too_long_to_read() -> None:
    lengths = {file.relative_to(TREE): len(file.read_text().splitlines()) for file in sources(*ROOMS)}
    assert {file: length for file, length in lengths.items() if length > MOST_LINES_IN_A_FILE} == {}


def test_no_function_is_too_long_to_read() -> None:
    lengths = {
        f"{where(file, node)} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for file, node in nodes(*ROOMS)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: length for name, length in lengths.items() if length > MOST_LINES_IN_A_FUNCTION} == {}


def test_no_error_is_swallowed_whole() -> None:
    swallowing = [
        where(file, node)
        for file, node in nodes(*ROOMS, "tests")
        if isinstance(node, ast.ExceptHandler) and is_broad(node) and all(map(does_nothing, node.body))
    ]
    suppressing = [
        where(file, node)
        for file, node in nodes(*ROOMS, "tests")
        if isinstance(node, ast.Call) and re.fullmatch(r"(contextlib\.)?suppress", ast.unparse(node.func))
        if {ast.unparse(argument) for argument in node.args} & {"Exception", "BaseException"}
    ]
    assert swallowing + suppressing == []


def test_nothing_is_left_for_later() -> None:
    left = [
        f"{file.relative_to(TREE)}:{number}"
        for file in sources(*ROOMS, "tests")
        for number, line in enumerate(file.read_text().splitlines(), start=1)
        if UNFINISHED.search(line)
    ]
    assert left == []


def test_the_domain_imports_the_standard_library_numpy_and_eventsourcing_domain_only() -> None:
    allowed = (sys.stdlib_module_names - NOT_FOR_THE_DOMAIN) | DOMAIN_MAY_IMPORT
    strangers = [
        f"{where(file, node)} {name}"
        for file, node in nodes("domain")
        for name in imported_names(node)
        if name.partition(".")[0] not in allowed and name not in allowed
    ]
    assert strangers == []


def test_the_domain_never_reads_a_clock() -> None:
    reads = [
        where(file, node)
        for file, node in nodes("domain")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCK_READS
    ]
    assert reads == []


def test_no_actor_sees_that_its_neighbours_are_remote() -> None:
    remote_calls = [
        where(file, node)
        for file, node in nodes("actors")
        if isinstance(node, ast.Attribute) and node.attr == "remote" and MAY_CALL_OTHER_PROCESSES not in file.parents
    ]
    assert remote_calls == []


def test_everything_public_in_the_domain_says_what_it_is() -> None:
    silent = [
        f"{file.relative_to(TREE)} {node.name}"
        for file in sources("domain")
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    assert silent == []


def test_every_module_says_what_it_is() -> None:
    silent = [
        str(file.relative_to(TREE))
        for file in sources(*ROOMS)
        if not ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert silent == []


@pytest.mark.parametrize("error_class", every_error(), ids=lambda error: error.__name__)
def test_every_error_arrives_on_the_other_side_of_ray_as_it_left(error_class: type[CollectorError]) -> None:
    error = build(error_class)
    arrived = pickle.loads(pickle.dumps(error))
    assert type(arrived) is error_class
    assert (arrived.args, vars(arrived), str(arrived)) == (error.args, vars(error), str(error))


def test_every_error_is_drawn_in_the_tree_at_the_top() -> None:
    drawing = inspect.getdoc(sys.modules[CollectorError.__module__]) or ""
    assert [error.__name__ for error in every_error() if not re.search(rf"\b{error.__name__}\b", drawing)] == []


def test_every_package_is_listed_in_the_project_file() -> None:
    listed = tomllib.loads((TREE / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    packages = {".".join(file.parent.relative_to(TREE).parts) for file in sources(*ROOMS)}
    assert packages == set(listed)


def test_no_test_folder_hides_a_package() -> None:
    assert [room for room in ROOMS if (TREE / "tests" / room).exists()] == []
    assert list((TREE / "tests").rglob("__init__.py")) == []


def test_imports_run_the_way_the_design_draws_them() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    outcome = subprocess.run([linter, "--no-cache"], cwd=TREE, capture_output=True, text=True, timeout=60, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
