"""What you need to write a gateway: the port to a broker's candle API, and the values that pass through it."""

from __future__ import annotations

from adapters.brokers.http.usage import remaining_quota
from adapters.brokers.http.verdicts import http_condition, parse_json
from domain.brokers.answers import Answer, Part
from domain.brokers.conditions import AccessRefused, Condition, SymbolsRefused, Throttled, Unreachable, Unusable
from domain.brokers.gateway import Gateway, GatewaySpec
from domain.brokers.listing import Listing
from domain.brokers.queries import Instrument, Query, Wanted, cut, listed, shared
from domain.brokers.wire import Charge, Wire, WireRequest, WireResponse
from domain.candles.candles import RawCandles
from domain.candles.dataset import Dataset, Interval
from domain.errors import MalformedResponse, SettingsError
from domain.limits.rates import RateLimit
from domain.limits.usage import BrokerUsage
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan

__all__ = [
    "AccessRefused",
    "Answer",
    "BrokerUsage",
    "Charge",
    "Condition",
    "Dataset",
    "Gateway",
    "GatewaySpec",
    "Instrument",
    "Interval",
    "Listing",
    "MalformedResponse",
    "Part",
    "Query",
    "RateLimit",
    "RawCandles",
    "SettingsError",
    "SpanSet",
    "SymbolsRefused",
    "Throttled",
    "TimeSpan",
    "Unreachable",
    "Unusable",
    "Wanted",
    "Wire",
    "WireRequest",
    "WireResponse",
    "cut",
    "http_condition",
    "listed",
    "parse_json",
    "remaining_quota",
    "shared",
]
