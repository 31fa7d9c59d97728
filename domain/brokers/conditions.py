"""Conditions: what may be wrong with a response, and whose trouble it is."""

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
    """Whose trouble a condition is."""

    ACCOUNT = "account"
    """Every request of the account would meet it."""
    SYMBOL = "symbol"
    """Every request for these symbols would."""
    ANSWER = "answer"
    """This answer alone: another try may bring a sound one."""


@dataclass(frozen=True, slots=True)
class Throttled:
    """The broker takes no request for a while; without a time the limiter chooses."""

    message: str
    retry_after_seconds: float | None = None
    scope: ClassVar[Scope] = Scope.ACCOUNT


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Nobody answers, or somebody other than the broker does."""

    message: str
    scope: ClassVar[Scope] = Scope.ACCOUNT


@dataclass(frozen=True, slots=True)
class AccessRefused:
    """The broker refuses who we are."""

    message: str
    scope: ClassVar[Scope] = Scope.ACCOUNT


@dataclass(frozen=True, slots=True)
class SymbolsRefused:
    """The broker does not serve these symbols; it named none of several where `symbols` is empty."""

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
    """The error that tells a caller of the condition; `symbols` names what was asked for."""
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
