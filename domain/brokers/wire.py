"""Wire: the only way out to a broker; every request on it takes a permit of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from domain.brokers.conditions import Condition, Unusable
from domain.limits.ports import PermitSource


@dataclass(frozen=True, slots=True)
class Charge:
    """What one request costs: tokens of the broker's `pool` ("" where it has only one)."""

    tokens: int = 1
    pool: str = ""


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One GET: a path below the gateway's base URL, and the most bytes of body to accept."""

    path: str
    params: Mapping[str, str | int] = field(default_factory=dict)
    charge: Charge = Charge()
    headers: Mapping[str, str] = field(default_factory=dict)
    most_body_bytes: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class WireResponse:
    """A complete response.

    The broker processed the request at `asked_at_ms` of its own clock or later, so bars that had closed by then are
    final. `requests`: how many requests it took, silent re-sends of the client included.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    asked_at_ms: int
    requests: int = 1


Judge: TypeAlias = Callable[[WireResponse], Condition | None]
"""Tells what is wrong with a response; None where it can be read. It may read the body as well."""


def judged(judge: Judge, response: WireResponse) -> Condition | None:
    """What the judge says; a body of a shape that it did not expect is Unusable."""
    try:
        return judge(response)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        return Unusable(f"HTTP {response.status}: not an answer that can be read: {type(error).__name__}: {error}")


class Wire(Protocol):
    """Puts the requests of one job on the wire."""

    async def fetch(self, request: WireRequest, judge: Judge, symbols: str) -> WireResponse:
        """Wait for a permit without a timeout, then get the answer within the timeout; never retries.

        Errors name `symbols` as what was requested. Raises the BrokerError of the judge's condition (on BrokerThrottled
        the cooldown has begun already), BrokerUnavailable, MalformedResponse for a body that is too large, and what the
        permits raise.
        """


class Transport(Protocol):
    """The connections of one process to one broker; opens them lazily."""

    def wire(self, permits: PermitSource) -> Wire:
        """A wire whose requests take these permits."""

    async def close(self) -> None:
        """Close the connections; the next request opens others."""
