"""Conditions: what may be wrong with a response, and what it affects."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, TypeAlias

from domain.errors import (
    BrokerError,
    BrokerThrottled,
    BrokerUnavailable,
    CredentialsRefused,
    MalformedResponse,
    SymbolRejected,
)


class Scope(StrEnum):
    """What a condition affects."""

    ACCOUNT = "account"
    """Every request of the account."""
    SYMBOL = "symbol"
    """Every request for these symbols."""
    ANSWER = "answer"
    """This answer alone: another try may bring a good one."""


@dataclass(frozen=True, slots=True)
class Throttled:
    """The broker takes no request for a while; without a given time the limiter chooses one."""

    message: str
    retry_after_seconds: float | None = None
    scope: ClassVar[Scope] = Scope.ACCOUNT


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Nothing answers, or something other than the broker does."""

    message: str
    scope: ClassVar[Scope] = Scope.ACCOUNT


@dataclass(frozen=True, slots=True)
class AccessRefused:
    """The broker refuses our credentials or our address."""

    message: str
    scope: ClassVar[Scope] = Scope.ACCOUNT


@dataclass(frozen=True, slots=True)
class SymbolsRefused:
    """The broker does not serve these symbols; `symbols` is empty where it refused several and named none."""

    message: str
    symbols: tuple[str, ...] = ()
    scope: ClassVar[Scope] = Scope.SYMBOL


@dataclass(frozen=True, slots=True)
class Unusable:
    """The answer is not what the broker's documentation promises."""

    message: str
    scope: ClassVar[Scope] = Scope.ANSWER


Condition: TypeAlias = Throttled | Unreachable | AccessRefused | SymbolsRefused | Unusable


def error_of(condition: Condition, broker: str, symbols: str) -> BrokerError:
    """The error to raise for the condition; `symbols` names what was requested."""
    match condition:
        case Throttled(message, retry_after_seconds):
            return BrokerThrottled(broker, symbols, message, retry_after_seconds or 0.0)
        case Unreachable(message):
            return BrokerUnavailable(broker, symbols, message)
        case AccessRefused(message):
            return CredentialsRefused(broker, symbols, message)
        case SymbolsRefused(message, named):
            return SymbolRejected(broker, ", ".join(named) or symbols, message)
        case Unusable(message):
            return MalformedResponse(broker, symbols, message)
