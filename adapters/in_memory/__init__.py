"""A shipped fake of every port: fast, faithful, and without files, sockets or clocks."""

from __future__ import annotations

from adapters.in_memory.broker import InMemoryExchange, InMemoryGateway
from adapters.in_memory.candles import InMemoryCandleRepository
from adapters.in_memory.jobs import InMemoryJobRepository, RecordingEmitter
from adapters.in_memory.limiter import InMemoryPermit, InMemoryRateLimiter
from adapters.in_memory.objects import InMemoryObjects
from adapters.in_memory.owners import InMemoryAccountOwners, InMemoryJobOwners
from adapters.in_memory.permit_log import InMemoryPermitLog
from adapters.in_memory.permits import InMemoryOperatorPause, InMemoryPermitRecord

__all__ = [
    "InMemoryAccountOwners",
    "InMemoryCandleRepository",
    "InMemoryExchange",
    "InMemoryGateway",
    "InMemoryJobOwners",
    "InMemoryJobRepository",
    "InMemoryObjects",
    "InMemoryOperatorPause",
    "InMemoryPermit",
    "InMemoryPermitLog",
    "InMemoryPermitRecord",
    "InMemoryRateLimiter",
    "RecordingEmitter",
]
