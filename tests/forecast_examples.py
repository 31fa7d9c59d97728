"""What is stored of a job's symbols, for tests of forecasts."""

from __future__ import annotations

from domain.jobs.forecast import StoredSymbols


def stored(pages: tuple[int, ...], bars: int = 0, empty: int = 0, missing: int = 0, weight: int = 1) -> StoredSymbols:
    """One symbol a group, each request of that weight."""
    return StoredSymbols(pages, bars, empty, missing, len(pages), pages.count(0), weight * sum(pages))
