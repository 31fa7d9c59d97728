"""Listing: the time from a symbol's first to its last bar, as the broker says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Listing:
    """The first bar a broker has of a symbol, and the end of the last; None where it did not say.

    `source` is where it said so (a route, a list of symbols), `as_of_ms` when.
    """

    first_ms: int | None
    end_ms: int | None
    source: str
    as_of_ms: int
