"""Conditions of responses that any HTTP API may send, before the gateway checks for its own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, NoReturn

from adapters.brokers.http.times import retry_after_seconds
from domain.brokers.conditions import AccessRefused, Condition, Throttled, Unreachable, Unusable
from domain.brokers.wire import WireResponse

_THROTTLED = frozenset({418, 429})
_ACCESS = frozenset({401, 403})


def http_condition(response: WireResponse, clock: Callable[[], float] = time.time) -> Condition | None:
    """The condition that HTTP alone shows; None where the gateway has to decide (2xx, and most 4xx).

    A web page under a 200 comes from a firewall or a maintenance notice: the request did not reach the broker's API.
    """
    status = response.status
    if status in _THROTTLED:
        wait_seconds = retry_after_seconds(response.headers, clock())
        return Throttled(f"HTTP {status}: too many requests", wait_seconds)
    if status in _ACCESS:
        return AccessRefused(f"HTTP {status}: access refused")
    if 300 <= status < 400:
        target = response.headers.get("Location", "nowhere")
        return Unusable(f"HTTP {status}: redirects to {target}, which is not followed")
    if status >= 500:
        return Unreachable(f"HTTP {status}")
    if status < 300 and _is_a_page(response):
        return Unreachable(f"HTTP {status}: a web page, where the broker's API was asked")
    return None


def parse_json(response: WireResponse) -> Any:
    """The body as JSON; raises ValueError with a sentence for anything else."""
    try:
        return json.loads(response.body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"HTTP {response.status}: {len(response.body)} bytes that are not JSON: {error}") from error


def _is_a_page(response: WireResponse) -> bool:
    # Some APIs call their JSON text/html, so that the body has to agree.
    return response.headers.get("Content-Type", "").startswith("text/html") and response.body.lstrip()[:1] == b"<"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
