"""What the README and the pages in docs/ tell people to write: it is valid, and the commands it names exist."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest

import candle_collector
from actors.cli.main import commands
from actors.settings.model import Settings
from actors.settings.overrides import overrides_in
from actors.settings.template import TEMPLATE
from tests.documents import NOT_RUN, SHELL, SIMULATED, TREE, Block, blocks, named_commands, pages

PAGES = [pytest.param(page, id=str(page.relative_to(TREE))) for page in pages()]
BLOCKS = [pytest.param(block, id=str(block)) for page in pages() for block in blocks(page)]
WORD = re.compile(r"^[a-z]+(\|[a-z]+)*$")


def of_language(*languages: str) -> list[Any]:
    return [case for case in BLOCKS if case.values[0].language in languages]


def unknown_in(words: list[str]) -> list[str]:
    """The subcommands and options among these words of a `candles` call that there are not."""
    tried: list[click.Command] = [commands]
    words = [word.strip("[].,:") for word in words]
    while words and isinstance(tried[0], click.Group) and WORD.match(words[0]):
        names, words = words[0].split("|"), words[1:]
        missing = [name for name in names if name not in tried[0].commands]
        if missing:
            return missing
        tried = [tried[0].commands[name] for name in names]
    known = {option for command in tried for parameter in command.params for option in parameter.opts}
    options = [word.partition("=")[0] for word in words if word.startswith("-")]
    return [option for option in options if option not in {*known, "--help", "-h"}]


def with_the_rest(written: dict[str, Any]) -> dict[str, Any]:
    """A part of a settings file, and what the template has for the keys it leaves out."""
    whole = tomllib.loads(TEMPLATE)
    if "symbols_file" in written.get("job", {}):
        del whole["job"]["symbols"]
    rest = {name: section for name, section in whole.items() if not isinstance(written.get(name), list)}
    return {**written, **{name: {**section, **written.get(name, {})} for name, section in rest.items()}}


def test_there_are_pages_to_check() -> None:
    assert TREE / "README.md" in pages()
    assert of_language("python")
    assert of_language("toml")


@pytest.mark.parametrize("block", BLOCKS)
def test_every_marker_before_a_block_is_one_that_means_something(block: Block) -> None:
    assert block.marker in ("", SIMULATED) or block.marker.removeprefix(NOT_RUN) not in ("", block.marker)


@pytest.mark.parametrize("block", of_language("python"))
def test_python_is_valid_and_imports_public_names_only(block: Block) -> None:
    imports = [node for node in ast.walk(ast.parse(block.text)) if isinstance(node, ast.ImportFrom)]
    public = [alias.name for node in imports if node.module == "candle_collector" for alias in node.names]
    assert set(public) <= set(candle_collector.__all__)
    if block.page.name == "README.md":
        private = {"domain", "adapters", "actors"} & {str(node.module).partition(".")[0] for node in imports}
        assert private == set(), "users import candle_collector and nothing else"


@pytest.mark.parametrize("block", of_language("toml"))
def test_toml_is_what_a_settings_file_or_a_file_of_overrides_may_say(block: Block, tmp_path: Path) -> None:
    written = tomllib.loads(block.text)
    if not block.is_run:
        return
    if not written.keys() & Settings.model_fields.keys():
        (tmp_path / "overrides.toml").write_text(block.text)
        assert overrides_in(tmp_path / "overrides.toml")
        return
    for section in (one for of_a_name in written.values() for one in _list(of_a_name)):
        for name in {"symbols_file"} & section.keys():
            (tmp_path / section[name]).write_text("BTCUSDT\n")
        for name in {"calendar_overrides"} & section.keys():
            (tmp_path / section[name]).touch()
    Settings.from_values(with_the_rest(written), tmp_path / "candles.toml")


def _list(section: Any) -> list[Any]:
    return section if isinstance(section, list) else [section]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_and_option_that_a_page_names_exists(page: Path) -> None:
    assert [(where, unknown) for where, words in named_commands(page) if (unknown := unknown_in(words))] == []


@pytest.mark.parametrize("block", of_language(*SHELL))
def test_every_target_of_make_that_a_block_names_exists(block: Block) -> None:
    targets = re.findall(r"^([a-z]+(?: [a-z]+)*):", (TREE / "Makefile").read_text(), re.MULTILINE)
    there_are = {name for names in targets for name in names.split()}
    named = [line.split()[1] for line in block.commands() if line.startswith("make ")]
    assert set(named) <= there_are


@pytest.mark.parametrize(
    ("words", "unknown"),
    [
        ("collect candles.toml --json", []),
        ("colect candles.toml", ["colect"]),
        ("gaps SYMBOL|JOB [--repair]", []),
        ("gaps SYMBOL --mend", ["--mend"]),
        ("limiter pause|resume|status BROKER --account NAME", []),
        ("limiter pause|stop BROKER", ["stop"]),
        ("export [JOB | --symbol SYMBOL] --format=csv --out DIR", []),
        ("--help", []),
    ],
)
def test_a_page_that_names_what_there_is_not_is_caught(words: str, unknown: list[str]) -> None:
    assert unknown_in(words.split()) == unknown
