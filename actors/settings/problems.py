"""Turns pydantic's list of errors into one sentence for the person who wrote the settings."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

_PASSWORD = re.compile(r"//[^/]*@")


def first_problem(error: ValidationError, model: type[BaseModel]) -> str:
    """The first mistake as a sentence, and how many more there are.

    An unknown key comes first: a misspelt one also makes the right one look missing.
    """
    problems = sorted(error.errors(include_url=False), key=lambda problem: problem["type"] != "extra_forbidden")
    others = len(problems) - 1
    more = f" (and {others} more {'problem' if others == 1 else 'problems'})" if others else ""
    return _sentence(problems[0], model) + more


def _sentence(problem: ErrorDetails, model: type[BaseModel]) -> str:
    names = [str(part) for part in problem["loc"]]
    where, found = ".".join(names), _as_toml(problem["input"])
    if problem["type"] == "extra_forbidden":
        return _unknown(names, _known_names(model, names[:-1]))
    if problem["type"] == "value_error":
        mistake = str(problem["ctx"]["error"])
        is_said = (
            isinstance(problem["input"], dict) or _names(mistake, found) or _names(mistake, repr(problem["input"]))
        )
        return f"{where}: {mistake}" if is_said else f"{where} is {found}: {mistake}"
    need = _description(model, names)
    if problem["type"] == "missing":
        return f"{where} is missing: write {need}"
    return f"{where} is {found}: write {need}"


def _names(sentence: str, value: str) -> bool:
    """Whether the sentence shows the value itself, and not a longer one that contains it."""
    return bool(re.search(rf"(?<![\w-]){re.escape(value)}(?![\w-])", sentence))


def _unknown(names: list[str], known: list[str]) -> str:
    what, choice = ("section", "the sections are") if len(names) == 1 else ("key", f"[{names[0]}] may have")
    near = difflib.get_close_matches(names[-1], known, n=1)
    advice = f"did you mean {near[0]}?" if near else f"{choice} {_listed(known)}"
    return f"{'.'.join(names)} is an unknown {what}: {advice}"


def _listed(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _known_names(model: type[BaseModel], section: list[str]) -> list[str]:
    names = _model_at(model, section).model_fields
    return [name for name in names if name not in ("path", "parts") or section]


def _description(model: type[BaseModel], names: list[str]) -> str:
    field = _model_at(model, names[:-1]).model_fields[names[-1]]
    return field.description or "another value"


def _model_at(model: type[BaseModel], section: list[str]) -> type[BaseModel]:
    for name in section:
        annotation: Any = model.model_fields[name].annotation
        candidates = (annotation, *getattr(annotation, "__args__", ()))
        model = next(kind for kind in candidates if isinstance(kind, type) and issubclass(kind, BaseModel))
    return model


def _as_toml(value: object) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    text = _PASSWORD.sub("//***@", json.dumps(value, default=str, ensure_ascii=False))
    return text if len(text) <= 60 else text[:57] + "..."
