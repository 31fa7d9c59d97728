"""Five manners of broker APIs, each as an exchange and a gateway.

The sixth and plainest is `InMemoryExchange` with `InMemoryGateway`: one symbol a request, all of its span in the
response.
"""

from __future__ import annotations

from adapters.in_memory.manners.archive import ArchiveExchange, ArchiveGateway
from adapters.in_memory.manners.cursor import CursorExchange, CursorGateway
from adapters.in_memory.manners.day_caps import DayCapExchange, DayCapGateway
from adapters.in_memory.manners.newest import NewestExchange, NewestGateway
from adapters.in_memory.manners.zoned_days import ZonedDaysExchange, ZonedDaysGateway

__all__ = [
    "ArchiveExchange",
    "ArchiveGateway",
    "CursorExchange",
    "CursorGateway",
    "DayCapExchange",
    "DayCapGateway",
    "NewestExchange",
    "NewestGateway",
    "ZonedDaysExchange",
    "ZonedDaysGateway",
]
