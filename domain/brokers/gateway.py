"""The port to a broker's candle API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from domain.candles.candles import RawCandles
from domain.candles.dataset import Dataset, Interval
from domain.limits.ports import PermitSource
from domain.spans.time_span import TimeSpan


@dataclass(frozen=True, slots=True)
class PageRequest:
    """One page to fetch: a span on the dataset's grid, no longer than the gateway's page."""

    dataset: Dataset
    span: TimeSpan


@dataclass(frozen=True, slots=True)
class CandlePage:
    """What the broker answered to a page request, unchecked.

    `closed_before_ms`: by the broker's own clock, bars that end at or before this moment are final.
    `requests`: how many requests it took on the wire.
    """

    request: PageRequest
    candles: RawCandles
    closed_before_ms: int
    requests: int = 1


class BrokerGateway(Protocol):
    """A broker's candle API. Opens its session lazily, inside the actor that uses it.

    Each request on the wire costs `tokens_per_request` of the broker's budget `pool` ("" where it has but one).
    """

    name: str
    max_candles_per_page: int
    tokens_per_request: int
    pool: str

    def dataset(self, symbol: str, interval: Interval) -> Dataset:
        """The dataset of a symbol, with the broker's grid; SettingsError for an interval it lacks."""

    async def fetch_page(self, request: PageRequest, permits: PermitSource) -> CandlePage:
        """Fetch one page, taking one permit per request on the wire; never retries by itself.

        Raises a BrokerError; on BrokerThrottled the account has been cooling down already.
        """

    async def close(self) -> None:
        """Close the session; fetching again opens another."""
