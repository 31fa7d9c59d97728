"""GatewayUnderTest: a gateway, a broker for it to query, and the truth about that broker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from domain.brokers.gateway import Gateway
from domain.brokers.wire import Transport
from domain.candles.candles import Candles
from domain.candles.dataset import Dataset, Interval
from domain.errors import BrokerError
from domain.spans.span_set import NO_SPANS, SpanSet
from domain.spans.time_span import TimeSpan


@dataclass(frozen=True)
class GatewayUnderTest:
    """A gateway, connections to a broker (a real server, or a fake of one), and the truth about it.

    `truth` holds every closed bar that the broker has of some symbols, at least three for a gateway with several
    symbols a query; its source should share nothing with the gateway. `now_ms` is the broker's clock. `closures` are
    the times at which the market is closed and no bar is expected. `reach_ms` is the time from which the broker serves
    a symbol's bars, where that is later than the first bar. `troubles` are symbols that cause an error, `hanging` is a
    symbol that gets no answer. `damaged` is the truth about symbols whose responses do not match their checksums.
    `requests_seen` counts the requests that arrived at the broker.
    """

    gateway: Gateway
    transport: Transport
    truth: Mapping[str, Candles]
    interval: Interval
    now_ms: int
    requests_seen: Callable[[], int]
    closures: SpanSet = NO_SPANS
    reach_ms: Mapping[str, int] = field(default_factory=dict)
    troubles: Mapping[str, type[BrokerError]] = field(default_factory=dict)
    hanging: str | None = None
    damaged: Mapping[str, Candles] = field(default_factory=dict)

    def dataset(self, symbol: str) -> Dataset:
        """The dataset of one of the symbols."""
        return self.gateway.dataset(symbol, self.interval)

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols, sorted."""
        return tuple(sorted(self.truth))

    @property
    def grid(self) -> Dataset:
        """One of the datasets, for its grid: all have the same."""
        return self.dataset(self.symbols[0])

    @property
    def extent(self) -> TimeSpan:
        """From the first bar of any symbol to the end of the last."""
        first_ms = min(int(candles.open_time_ms[0]) for candles in self.truth.values())
        last_ms = max(int(candles.open_time_ms[-1]) for candles in self.truth.values())
        return TimeSpan(first_ms, self.grid.later(last_ms, 1))
