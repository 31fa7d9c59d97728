"""The exchange's own counts, over real HTTP: read by the gateway, obeyed by the limiter."""

from __future__ import annotations

import pytest

from actors.collecting.permit_client import PermitClient
from actors.rate_limiter import RateLimiter
from adapters.boot_clock import boot_seconds
from adapters.brokers.binance.gateway import BinanceGateway
from adapters.in_memory import InMemoryPermitRecord, InMemoryRateLimiter
from adapters.simulator import NO_LATENCY, Fault, FaultKind, SimulatedExchange
from domain.candles.dataset import Interval
from domain.errors import BrokerThrottled
from domain.limits.ports import PermitSource
from domain.limits.rates import AccountLimits, Counts, RateLimit
from domain.limits.usage import BrokerUsage
from domain.spans.time_span import TimeSpan
from tests.contract.gateway_queries import connected, query

DAY_MS = 86_400_000
LIMITS = ("100w/60s",)


async def ask_for_days(base_url: str, permits: PermitSource, times: int = 1) -> None:
    """Ask for five days, so many times, over connections of its own."""
    gateway = BinanceGateway()
    dataset, span = gateway.dataset("SIM001", Interval("1d")), TimeSpan(19_000 * DAY_MS, 19_005 * DAY_MS)
    async with connected(base_url) as transport:
        for _ in range(times):
            await query(gateway, transport.wire(permits), dataset, span)


def used(weight: int) -> tuple[BrokerUsage, ...]:
    return (BrokerUsage(60.0, Counts.WEIGHT, weight),)


async def test_every_answer_tells_the_weight_used_so_far() -> None:
    permits = InMemoryRateLimiter()
    async with SimulatedExchange(LIMITS, NO_LATENCY) as exchange:
        await ask_for_days(exchange.base_url, permits, times=3)
    assert permits.usage == [used(2), used(4), used(6)]


async def test_a_refusal_tells_it_too() -> None:
    permits = InMemoryRateLimiter()
    async with SimulatedExchange(["1w/60s"], NO_LATENCY) as exchange:
        with pytest.raises(BrokerThrottled):
            await ask_for_days(exchange.base_url, permits)
    assert permits.usage == [used(2)]
    assert len(permits.cooldowns) == 1


async def test_an_answer_without_a_count_tells_nothing() -> None:
    permits = InMemoryRateLimiter()
    async with SimulatedExchange(LIMITS, NO_LATENCY, [Fault(FaultKind.THROTTLED, times=1)]) as exchange:
        with pytest.raises(BrokerThrottled):
            await ask_for_days(exchange.base_url, permits)
    assert permits.usage == [()]


async def test_another_program_on_the_exchange_makes_our_limiter_slow_down() -> None:
    limits = AccountLimits("binance", "default", tuple(map(RateLimit.parse, LIMITS)), 5.0, 5.0)
    limiter = RateLimiter(limits, InMemoryPermitRecord, clock=boot_seconds)
    ours = PermitClient(limiter, flush_seconds=0.01, clock=boot_seconds)
    async with SimulatedExchange(LIMITS, NO_LATENCY) as exchange:
        await ask_for_days(exchange.base_url, ours, times=5)
        await ours.close()
        [window] = (await limiter.status()).windows
        assert (window.counted, window.others) == (10, 0)
        another_program = InMemoryRateLimiter()
        await ask_for_days(exchange.base_url, another_program, times=20)
        await ask_for_days(exchange.base_url, ours)
        await ours.close()
        [window] = (await limiter.status()).windows
        # The last of ours may have been among what the broker counted, or not: it is counted as theirs, too.
        assert (window.counted, window.others, window.reserved) == (12 + 42, 40, 42)
    await limiter.shutdown()
