"""Listing: from when to when a broker says that a symbol traded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Listing:
    """The first bar a broker has of a symbol, and the end of the last; None where it did not say.

    `source` is who said so (a route, a list of symbols), `as_of_ms` when.
    """

    first_ms: int | None
    end_ms: int | None
    source: str
    as_of_ms: int
