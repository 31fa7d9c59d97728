"""CollectionForecast: the requests of a job, and how long they take when the broker behaves."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from domain.brokers.gateway import Gateway
from domain.brokers.queries import Instrument, Wanted
from domain.candles.ports import TradingCalendar
from domain.errors import PermitImpossible
from domain.jobs.request import CollectionRequest
from domain.jobs.simulation import Batches, Slots, simulated_makespan_seconds, slots_makespan_seconds, widened
from domain.jobs.timings import Timings
from domain.limits.rates import RateLimit, ideal_makespan_seconds
from domain.spans.span_set import SpanSet

MOST_SIMULATED = 100_000
"""Requests up to which a job is simulated one by one. In larger jobs its beginning and end no longer matter."""

BYTES_PER_BAR = 14.0
"""Bytes on disk per bar where no bar is stored to measure: a minute bar of a crypto exchange, with its extras."""

SLOTS = "concurrency"
"""The bound of a job that no limit bounds: `workers` times `concurrency`, and how its symbols fall into batches."""


@dataclass(frozen=True, slots=True)
class StoredSymbols:
    """What is stored of a job's symbols, and the requests for the rest, in order.

    Bars count where the calendar expects them.
    """

    pages: tuple[int, ...]
    """Requests of each group of symbols that share queries; 0 for a complete group."""
    bars_stored: int
    bars_empty: int
    bars_missing: int
    symbols_total: int
    symbols_complete: int
    weight: int

    @property
    def bars_expected(self) -> int:
        """How many bars are likely to come: the missing ones, times the share that came of those requested so far."""
        asked = self.bars_stored + self.bars_empty
        return round(self.bars_missing * self.bars_stored / asked) if self.bars_stored else self.bars_missing


@dataclass(frozen=True, slots=True)
class CollectionForecast:
    """The forecast of a job that has the account to itself.

    Times count from the first request to the last batch reported. Without recorded timings, calls are assumed to take
    no time: `seconds` is then a lower bound.
    """

    symbols_total: int
    symbols_complete: int
    bars_stored: int
    bars_expected: int
    requests: int
    weight: int
    bound_by: str
    """The limit that decides the time, or `SLOTS`; empty when there is nothing to request."""
    seconds: float
    seconds_by_limit: dict[str, float]
    """For each limit, the least time that it alone allows."""
    slots_seconds: float
    """The least time for so many slots, whatever the limits; 0 where nothing was timed."""
    timings: Timings
    bytes_per_bar: float
    bytes_are_measured: bool

    @property
    def is_lower_bound(self) -> bool:
        return not self.timings and self.requests > 0

    @property
    def bytes_expected(self) -> int:
        """The bytes that will be added on disk, about."""
        return round(self.bars_expected * self.bytes_per_bar)

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON types."""
        return {
            "symbols": {"total": self.symbols_total, "complete": self.symbols_complete},
            "bars": {"stored": self.bars_stored, "expected": self.bars_expected},
            "requests": self.requests,
            "weight": self.weight,
            "seconds": round(self.seconds, 3),
            "seconds_is_lower_bound": self.is_lower_bound,
            "bound_by": self.bound_by,
            "seconds_by_limit": {limit: round(seconds, 3) for limit, seconds in self.seconds_by_limit.items()},
            "slots_seconds": round(self.slots_seconds, 3),
            "calls_timed": self.timings.requests,
            "mean_call_seconds": round(self.timings.mean_call_seconds, 6),
            "call_deviation_seconds": round(self.timings.call_deviation_seconds, 6),
            "mean_page_seconds": round(self.timings.mean_page_seconds, 6),
            "mean_turnaround_seconds": round(self.timings.mean_turnaround_seconds, 6),
            "bytes_expected": self.bytes_expected,
            "bytes_per_bar": round(self.bytes_per_bar, 2),
            "bytes_per_bar_is_measured": self.bytes_are_measured,
        }


def forecast(
    held: StoredSymbols,
    slots: Slots,
    limits: Sequence[RateLimit],
    weight_per_page: int,
    timings: Timings,
    bytes_per_bar: float | None,
    uplink_seconds: float | None = None,
) -> CollectionForecast:
    """Forecast a job that completes these symbols, under limits that all count its requests.

    `uplink_seconds`, where a person has given it, is how long a token is in use at most. Raises PermitImpossible when a
    limit is smaller than the weight of one page.
    """
    for limit in limits:
        if limit.cost(weight_per_page) > limit.amount:
            raise PermitImpossible(weight_per_page, str(limit))
    requests = sum(held.pages)
    batches = slots.batches_of(held.pages)
    most_held_seconds = math.inf if uplink_seconds is None else uplink_seconds
    held_seconds = min(timings.mean_call_seconds, most_held_seconds)
    by_limit = {
        str(limit): ideal_makespan_seconds(requests, widened(limit), held_seconds, weight_per_page) for limit in limits
    }
    slots_seconds = _slots_seconds(batches, slots, timings)
    limits_seconds, slowest = max(((seconds, name) for name, seconds in by_limit.items()), default=(0.0, SLOTS))
    bound_by = SLOTS if slots_seconds > limits_seconds else slowest
    return CollectionForecast(
        symbols_total=held.symbols_total,
        symbols_complete=held.symbols_complete,
        bars_stored=held.bars_stored,
        bars_expected=held.bars_expected,
        requests=requests,
        weight=held.weight,
        bound_by=bound_by if requests else "",
        seconds=max(
            _seconds(batches, slots, limits, weight_per_page, timings, most_held_seconds), slots_seconds, limits_seconds
        ),
        seconds_by_limit=by_limit,
        slots_seconds=slots_seconds,
        timings=timings,
        bytes_per_bar=BYTES_PER_BAR if bytes_per_bar is None else bytes_per_bar,
        bytes_are_measured=bytes_per_bar is not None,
    )


def _seconds(
    batches: Batches, slots: Slots, limits: Sequence[RateLimit], weight: int, timings: Timings, most_held_seconds: float
) -> float:
    """Simulate the job; a long one is the sum of its full windows, and the slots' time for the last one.

    Its first batches are simulated to tell how much longer slots need than the mean page suggests.
    """
    requests = list(accumulate(map(sum, batches)))
    if not requests or requests[-1] <= MOST_SIMULATED:
        return simulated_makespan_seconds(batches, slots, limits, weight, timings, most_held_seconds)
    first = batches[: bisect_right(requests, MOST_SIMULATED)]
    seconds_per_bound = 1.0
    if first and timings:
        seconds = simulated_makespan_seconds(first, slots, [], weight, timings, most_held_seconds)
        seconds_per_bound = seconds / _slots_seconds(first, slots, timings)
    slots_seconds = seconds_per_bound * _slots_seconds(batches, slots, timings)
    held_seconds = min(timings.mean_call_seconds, most_held_seconds)
    by_limit = (_limited_seconds(requests[-1], limit, weight, held_seconds, slots_seconds) for limit in limits)
    return max([slots_seconds, *by_limit])


def _limited_seconds(requests: int, limit: RateLimit, weight: int, held_seconds: float, slots_seconds: float) -> float:
    """`slots_seconds` is what slots need for all requests; those of the last window take their share of it."""
    per_window = limit.amount // limit.cost(weight)
    full_windows = (requests - 1) // per_window
    cycle_seconds = widened(limit).window_seconds + held_seconds
    return full_windows * cycle_seconds + slots_seconds * (1 - full_windows * per_window / requests)


def _slots_seconds(batches: Batches, slots: Slots, timings: Timings) -> float:
    return slots_makespan_seconds(batches, slots, timings.mean_page_seconds, timings.mean_turnaround_seconds)


def queries_per_symbol(gateway: Gateway, calendar: TradingCalendar, request: CollectionRequest) -> float:
    """How many queries a symbol takes from nothing; a fraction where queries name several symbols."""
    symbols = request.symbols[: gateway.spec.most_instruments]
    datasets = [gateway.dataset(symbol, request.interval) for symbol in symbols]
    span = datasets[0].align(request.span)
    whole = Wanted(SpanSet([span]), calendar.expected(datasets[0], span))
    return len(gateway.queries({Instrument.of(dataset): whole for dataset in datasets}, span.end_ms)) / len(datasets)
