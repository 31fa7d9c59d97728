"""Gateway: the port to a broker's candle API."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from domain.brokers.answers import Answer
from domain.brokers.queries import Instrument, Query, Wanted
from domain.brokers.wire import Charge, Wire
from domain.candles.dataset import Dataset, Interval
from domain.limits.rates import RateLimit
from domain.limits.usage import BrokerUsage
from domain.spans.span_set import SpanSet

DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class GatewaySpec:
    """What a broker can do, and what it allows.

    Brokers of one `limit_domain` share their limits, and so one limiter: their account is an API key, or, with scope
    "address", everyone behind one IP address. `limits` are those that the broker documents. `charges` are the kinds of
    requests for candles. A query names at most `most_instruments`. With `bars_only_where_traded`, times without trades
    have no bars; `rewrites_history` says that old bars change (adjusted prices). A ban lasts `longest_ban_seconds` at
    most. `credentials` names the secrets it needs; each of `auth_headers` is a header and its text, with a {name} where
    a secret goes.
    """

    name: str
    base_url: str
    limit_domain: str
    limits: tuple[RateLimit, ...]
    intervals: tuple[str, ...]
    charges: tuple[Charge, ...] = (Charge(),)
    scope: Literal["key", "address"] = "key"
    longest_ban_seconds: float = DAY_SECONDS
    most_instruments: int = 1
    most_rows: int = 1000
    bars_only_where_traded: bool = False
    rewrites_history: bool = False
    may_be_negative: bool = False
    finds_listings: bool = False
    lists_symbols: bool = False
    credentials: tuple[str, ...] = ()
    auth_headers: tuple[tuple[str, str], ...] = ()
    is_verified: bool = True


class Gateway(Protocol):
    """How to query one broker, and how to read its answers.

    A gateway keeps no cursor and opens nothing. `dataset`, `queries` and `another_way` are pure: the plan and the
    worker use the same.
    """

    @property
    def spec(self) -> GatewaySpec: ...

    def dataset(self, symbol: str, interval: Interval) -> Dataset:
        """The dataset of a symbol, with the broker's grid; SettingsError for an interval it lacks."""

    async def resolve(self, datasets: Sequence[Dataset], wire: Wire) -> dict[Dataset, Instrument]:
        """The instruments of these datasets; a dataset that the broker does not know is left out."""

    def queries(self, wanted: Mapping[Instrument, Wanted], now_ms: int) -> list[Query]:
        """The fewest queries for all that is wanted, in the order in which they are sent."""

    def another_way(self, query: Query, doubtful: Mapping[Instrument, SpanSet]) -> list[Query]:
        """Queries that verify a denial: cut or ordered in another way than the first, where there is one."""

    def answers(self, query: Query, wire: Wire) -> AsyncGenerator[Answer]:
        """The responses to a query, one after the other; the caller saves each and may stop after any.

        Raises BrokerError; never retries by itself.
        """

    def usage(self, headers: Mapping[str, str]) -> Iterable[BrokerUsage]:
        """The broker's own counts, read from the headers of a response."""
