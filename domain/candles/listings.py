"""Listing: from when to when a symbol was traded, by whose word."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Listing:
    """The first and the last opening there ever was, as somebody told; None: not told."""

    said_by: str
    said_at_ms: int
    first_ms: int | None = None
    last_ms: int | None = None
