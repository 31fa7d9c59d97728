"""The conformance suite for gateways: subclass `GatewayConformance` in a test file, and run pytest."""

from __future__ import annotations

from adapters.brokers.http.transport import HttpTransport
from adapters.in_memory.conformance.checks import CHECKS
from adapters.in_memory.conformance.shapes import SHAPES
from adapters.in_memory.conformance.subject import GatewayUnderTest
from adapters.in_memory.conformance.suite import GatewayConformance
from adapters.in_memory.limiter import InMemoryRateLimiter
from domain.candles.candles import Candles
from domain.errors import (
    BrokerThrottled,
    BrokerUnavailable,
    CredentialsRefused,
    MalformedResponse,
    SymbolRejected,
)

__all__ = [
    "CHECKS",
    "SHAPES",
    "BrokerThrottled",
    "BrokerUnavailable",
    "Candles",
    "CredentialsRefused",
    "GatewayConformance",
    "GatewayUnderTest",
    "HttpTransport",
    "InMemoryRateLimiter",
    "MalformedResponse",
    "SymbolRejected",
]
