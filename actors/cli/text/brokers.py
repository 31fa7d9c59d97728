"""What a gateway declares, in words."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from actors.cli.text.progress import duration_text
from domain.brokers.gateway import GatewaySpec
from domain.brokers.wire import Charge

HEADS = ("NAME", "LIMITS", "PER", "INTERVALS", "ROWS", "SYMBOLS", "CREDENTIALS", "VERIFIED")

_SCOPES = {"key": "API key", "address": "IP address"}


def row(spec: GatewaySpec) -> tuple[str, ...]:
    """A gateway as a row of the list; rows and symbols are the most that one request can have."""
    return (
        spec.name,
        _limits(spec),
        _SCOPES[spec.scope],
        _range(spec.intervals),
        f"{spec.most_rows:,}",
        f"{spec.most_instruments:,}",
        ", ".join(spec.credentials) or "none",
        "yes" if spec.is_verified else "no",
    )


def description(spec: GatewaySpec) -> list[str]:
    """Everything about one gateway."""
    symbols = "symbol" if spec.most_instruments == 1 else "symbols"
    facts = {
        "limits": f'{_limits(spec)}, per {_SCOPES[spec.scope]} and shared by all gateways of "{spec.limit_domain}"',
        "requests": " or ".join(map(_charge, spec.charges)),
        "longest ban": duration_text(spec.longest_ban_seconds),
        "intervals": " ".join(spec.intervals) or "any",
        "a response": f"{spec.most_rows:,} bars of {spec.most_instruments:,} {symbols} at most",
        "bars": ", ".join(_bars(spec)),
        "symbols": ", ".join(_symbols(spec)),
        "credentials": ", ".join(spec.credentials) or "none",
        "verified": "against the broker itself" if spec.is_verified else "not verified against the broker itself",
    }
    width = max(map(len, facts))
    return [f"{spec.name}: {spec.base_url}", *(f"  {name.ljust(width)}  {fact}" for name, fact in facts.items())]


def as_json(spec: GatewaySpec) -> dict[str, Any]:
    """The same as plain JSON types."""
    return asdict(spec) | {"limits": [str(limit) for limit in spec.limits]}


def _limits(spec: GatewaySpec) -> str:
    return ", ".join(map(str, spec.limits)) or "none documented"


def _range(intervals: tuple[str, ...]) -> str:
    if len(intervals) > 3:
        return f"{len(intervals)}: {intervals[0]} to {intervals[-1]}"
    return " ".join(intervals) or "any"


def _charge(charge: Charge) -> str:
    tokens = "token" if charge.tokens == 1 else "tokens"
    return f"{charge.tokens:,} {tokens}" + (f" of the pool {charge.pool}" if charge.pool else "")


def _bars(spec: GatewaySpec) -> list[str]:
    """How the broker's bars behave."""
    return [
        "only where there was trade" if spec.bars_only_where_traded else "in every interval",
        "rewritten later" if spec.rewrites_history else "never rewritten",
        *(["prices may be negative"] if spec.may_be_negative else []),
    ]


def _symbols(spec: GatewaySpec) -> list[str]:
    return [
        "listed by the broker" if spec.lists_symbols else "not listed",
        "with their first bar" if spec.finds_listings else "without their first bar",
    ]
