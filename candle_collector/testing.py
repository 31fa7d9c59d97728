"""What a gateway has to keep to: subclass `GatewayConformance` in a test file, and let pytest run it."""

from __future__ import annotations

from adapters.in_memory.conformance.checks import CHECKS
from adapters.in_memory.conformance.shapes import SHAPES
from adapters.in_memory.conformance.subject import GatewayUnderTest
from adapters.in_memory.conformance.suite import GatewayConformance
from adapters.in_memory.limiter import InMemoryRateLimiter

__all__ = ["CHECKS", "SHAPES", "GatewayConformance", "GatewayUnderTest", "InMemoryRateLimiter"]
