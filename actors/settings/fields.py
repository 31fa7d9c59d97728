"""The parsers of settings' values; they raise ValueError with a sentence."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationInfo

from actors.settings.files import text_in
from actors.settings.overrides import overrides_in
from domain.brokers.credentials import CredentialReference
from domain.candles.dataset import Interval
from domain.candles.sessions import SessionOverride
from domain.jobs.request import FailureAllowance, OnTooManyFailures
from domain.limits.messages import Priority
from domain.limits.rates import RateLimit

_ADDRESS = re.compile(r"^(embedded|auto|(ray://)?[\w.-]+:\d{1,5})$")
_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+:/")
_SYMBOL = re.compile(r"^[^\s\x00-\x1f\x7f]+$")


def text(value: object) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("write a text in quotes that is not empty")
    return value


def base_url(value: object) -> str:
    """An http or https address, without a password in it and without the slash at its end."""
    url = text(value)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError('write a web address like "https://api.binance.com"')
    return _without_credentials(url).rstrip("/")


def credentials(value: object) -> dict[str, CredentialReference]:
    """References to secrets, by name."""
    if not isinstance(value, dict) or not all(isinstance(where, str) for where in value.values()):
        raise ValueError('write lines like key = "env:NAME" or key = "file:/path"')
    return {name: _reference(name, where) for name, where in value.items()}


def _reference(name: str, where: str) -> CredentialReference:
    try:
        return CredentialReference.parse(where)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def limits(value: object) -> tuple[RateLimit, ...]:
    """A list of rate limits, one per window at most."""
    if not isinstance(value, list | tuple) or not value:
        raise ValueError('write a list like ["15/1s"], or leave it out for what the broker documents')
    parsed = tuple(RateLimit.parse(text(item)) for item in value)
    if len({limit.window for limit in parsed}) < len(parsed):
        raise ValueError("one window is given twice: keep the smaller limit")
    return parsed


def symbols(value: object) -> tuple[str, ...]:
    """A list of symbols, each named once; the broker decides whether it knows them."""
    if not isinstance(value, list | tuple) or not value:
        raise ValueError('write a list with at least one symbol, like ["BTCUSDT"]')
    seen: set[str] = set()
    for item in value:
        if not isinstance(item, str) or not _SYMBOL.match(item):
            raise ValueError(f"{item!r} is not a symbol: write texts without spaces, like {'BTCUSDT'!r}")
        if item in seen:
            raise ValueError(f"{item!r} is named twice: name each symbol once")
        seen.add(item)
    return tuple(value)


def file_symbols(path: Path) -> tuple[str, ...]:
    """The symbols in a file, one a line; blank lines and comments after a # are ignored."""
    content = text_in(path)
    first_lines: dict[str, int] = {}
    for number, line in enumerate(content.splitlines(), start=1):
        symbol = line.partition("#")[0].strip()
        if not symbol:
            continue
        if not _SYMBOL.match(symbol):
            raise ValueError(f"{path}, line {number}: {symbol!r} is not a symbol: write one symbol a line")
        if symbol in first_lines:
            raise ValueError(f"{path}, line {number}: {symbol!r} is already named in line {first_lines[symbol]}")
        first_lines[symbol] = number
    if not first_lines:
        raise ValueError(f"{path} names no symbol: write one a line")
    return tuple(first_lines)


def interval(value: object) -> Interval:
    """The length of a bar."""
    return value if isinstance(value, Interval) else Interval(text(value))


def max_failures(value: object) -> FailureAllowance:
    """A count or a share of the symbols."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError('write a count like 25 or a share like "10%"')
    return FailureAllowance.parse(value)


def on_too_many_failures(value: object) -> OnTooManyFailures:
    """What a job does when too many symbols have failed."""
    if not isinstance(value, str) or value not in tuple(OnTooManyFailures):
        raise ValueError('write "pause" or "fail"')
    return OnTooManyFailures(value)


def priority(value: object) -> Priority:
    """How the job is served beside others of its account."""
    if not isinstance(value, str) or value not in tuple(Priority):
        raise ValueError('write "interactive" or "bulk"')
    return Priority(value)


def cluster_address(value: object) -> str:
    """Where Ray runs."""
    if not isinstance(value, str) or not _ADDRESS.match(value):
        raise ValueError('write "embedded", "auto", or where a cluster is, like "ray://head:10001"')
    return value


def path_beside_file(value: object, info: ValidationInfo) -> Path:
    """An absolute path; a relative one counts from the settings file's folder."""
    folder: Path = (info.context or {}).get("folder", Path.cwd())
    path = value if isinstance(value, Path) else Path(text(value))
    return (folder / path.expanduser()).resolve()


def candle_address(value: object, info: ValidationInfo) -> str:
    """Where the candles are: an absolute path, or a URL without a password in it."""
    if isinstance(value, str) and _URL.match(value):
        return _without_credentials(value)
    return str(path_beside_file(value, info))


def event_address(value: object) -> str:
    """Where the events of jobs are: "sqlite" for a file beside the candles, or a URL without a password in it."""
    if value != "sqlite" and not (isinstance(value, str) and _URL.match(value)):
        raise ValueError('write "sqlite", or an address like "sqlite:///data/jobs.sqlite"')
    return _without_credentials(text(value))


def overrides_beside_file(value: object, info: ValidationInfo) -> tuple[SessionOverride, ...]:
    """What the named file of calendar overrides says; read with the settings, so that it travels with them."""
    return overrides_in(path_beside_file(value, info))


def _without_credentials(url: str) -> str:
    _, _, after_scheme = url.partition("://")
    if "@" in after_scheme.partition("/")[0]:
        raise ValueError("leave the user name and the password out of the address")
    return url
