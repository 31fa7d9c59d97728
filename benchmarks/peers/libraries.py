"""Each library as its documentation uses it from asyncio: a function that waits until one request may leave.

All of them decide when a request may *leave*, and learn nothing of it afterwards. `Place` says where the limiter runs;
a library that cannot be shared by processes gives each its part of the limit.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

Take: TypeAlias = Callable[[], Awaitable[None]]

PATIENCE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Place:
    """One of `processes` that share a limit; `key` names the race in the Redis at that port."""

    processes: int
    redis_port: int
    key: str


@asynccontextmanager
async def aiolimiter(place: Place, amount: float, seconds: float) -> AsyncIterator[Take]:
    """`AsyncLimiter(amount, seconds)`, a leaky bucket; every process has its part of the rate."""
    from aiolimiter import AsyncLimiter

    # A bucket must hold one request: a smaller one becomes slower instead.
    own_amount = max(1.0, amount / place.processes)
    limiter = AsyncLimiter(own_amount, seconds * own_amount * place.processes / amount)
    yield limiter.acquire


@asynccontextmanager
async def ccxt(place: Place, requests_per_second: float, window_seconds: float = 0.0) -> AsyncIterator[Take]:
    """The throttler that every exchange of ccxt has: a leaky bucket, or a rolling window if one is given."""
    from ccxt.async_support.base.exchange import Exchange

    exchange = Exchange(
        {
            "enableRateLimit": True,
            "rateLimit": 1000 * place.processes / requests_per_second,
            "rateLimiterAlgorithm": "rollingWindow" if window_seconds else "leakyBucket",
            "rollingWindowSize": 1000 * window_seconds,
        }
    )
    try:
        yield exchange.throttle
    finally:
        await exchange.close()


@asynccontextmanager
async def limits(place: Place, amount: int) -> AsyncIterator[Take]:
    """`limits`' moving window of a second, the exact one of its strategies; in Redis for several processes.

    It answers yes or no; after a no the caller sleeps until the window has room, as its statistics tell.
    """
    from limits import RateLimitItemPerSecond
    from limits.aio.storage import MemoryStorage, RedisStorage
    from limits.aio.strategies import MovingWindowRateLimiter

    shared = f"async+redis://127.0.0.1:{place.redis_port}"
    storage = RedisStorage(shared, implementation="redispy") if place.processes > 1 else MemoryStorage()
    limiter, item = MovingWindowRateLimiter(storage), RateLimitItemPerSecond(amount)

    async def take() -> None:
        while not await limiter.hit(item, place.key):
            statistics = await limiter.get_window_stats(item, place.key)
            await asyncio.sleep(max(0.001, statistics.reset_time - time.time()))

    yield take


@asynccontextmanager
async def pyrate_window(place: Place, amount: int, milliseconds: int) -> AsyncIterator[Take]:
    """pyrate-limiter as its README begins: a sliding window, `Limiter(Rate(amount, milliseconds))`."""
    from pyrate_limiter import Limiter, Rate, RedisBucket

    rates = [Rate(amount, milliseconds)]
    async with _redis(place) as redis:
        argument: Any = await RedisBucket.init(rates, redis, place.key) if redis else rates
        limiter = Limiter(argument)
        yield _pyrate_take(limiter, place.key)
        limiter.close()


@asynccontextmanager
async def pyrate_smooth(place: Place, amount: int, milliseconds: int) -> AsyncIterator[Take]:
    """pyrate-limiter at its smoothest: GCRA without a burst, and without the 50 ms it adds to each wait."""
    from pyrate_limiter import GCRA, InMemoryStateStore, Limiter, Rate, RedisStateStore, StateBucket, WallClock

    async with _redis(place) as redis:
        store: Any = RedisStateStore(redis, place.key) if redis else InMemoryStateStore()
        bucket = StateBucket([Rate(amount, milliseconds, burst=1)], GCRA(), store, WallClock())
        limiter = Limiter(bucket, buffer_ms=0)
        yield _pyrate_take(limiter, place.key)
        limiter.close()


@asynccontextmanager
async def throttled_bucket(place: Place, amount: int) -> AsyncIterator[Take]:
    """throttled-py as its README begins: the token bucket, waiting inside the library."""
    from throttled.asyncio import Throttled, rate_limiter

    async with _throttled_store(place) as store:
        throttle = Throttled(place.key, PATIENCE_SECONDS, quota=rate_limiter.per_sec(amount), store=store)

        async def take() -> None:
            await throttle.limit()

        yield take


@asynccontextmanager
async def throttled_smooth(place: Place, amount: int) -> AsyncIterator[Take]:
    """throttled-py at its smoothest: GCRA without a burst, tried again as soon as it says.

    The library's own waiting never sleeps for less than 0.2 s, which is ten requests at 50 a second.
    """
    from throttled.asyncio import RateLimiterType, Throttled, rate_limiter

    async with _throttled_store(place) as store:
        quota = rate_limiter.per_sec(amount, burst=1)
        throttle = Throttled(place.key, using=RateLimiterType.GCRA.value, quota=quota, store=store)

        async def take() -> None:
            result = await throttle.limit()
            while result.limited:
                await asyncio.sleep(result.state.retry_after)
                result = await throttle.limit()

        yield take


def _pyrate_take(limiter: Any, key: str) -> Take:
    async def take() -> None:
        await limiter.try_acquire_async(key)

    return take


@asynccontextmanager
async def _redis(place: Place) -> AsyncIterator[Any]:
    """A client of the Redis for several processes; None for one."""
    if place.processes == 1:
        yield None
        return
    from redis.asyncio import Redis

    async with Redis(host="127.0.0.1", port=place.redis_port) as redis:
        yield redis


@asynccontextmanager
async def _throttled_store(place: Place) -> AsyncIterator[Any]:
    from throttled.asyncio import MemoryStore, RedisStore

    yield MemoryStore() if place.processes == 1 else RedisStore(server=f"redis://127.0.0.1:{place.redis_port}/0")
