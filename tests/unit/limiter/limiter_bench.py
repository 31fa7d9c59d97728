"""A broker and a network in virtual time, the workers that use them, and an independent judge."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from aiolimiter import AsyncLimiter

from actors.collecting.permit_client import PermitClient
from actors.rate_limiter import RateLimiter
from adapters.in_memory.permits import InMemoryPermitRecord, PermitMemory
from domain.errors import PermitExpired
from domain.limits.messages import Completion, LimiterStatus, Outcome, PermitBundle, PermitRequest
from domain.limits.permit_bundles import BundleTerms
from domain.limits.ports import Permit, PermitSource
from domain.limits.rates import AccountLimits, RateLimit

Result = TypeVar("Result")

TIMEOUT_SECONDS = 1.0
ABANDONED_SECONDS = 3.0
VALID_SECONDS = 2.0
FLIGHT_SECONDS = VALID_SECONDS + TIMEOUT_SECONDS + ABANDONED_SECONDS
WINDOW_SECONDS = 1.002
"""A window of one second, as the ledger widens it."""


def account(*limits: str) -> AccountLimits:
    return AccountLimits(
        "binance", "default", tuple(map(RateLimit.parse, limits)), TIMEOUT_SECONDS, ABANDONED_SECONDS, VALID_SECONDS
    )


def limiter_of(*limits: str, memory: PermitMemory | None = None, session: str = "one") -> RateLimiter:
    """A limiter in the running loop's time; with the memory of another it is its successor."""
    remembered = memory or PermitMemory()
    return RateLimiter(
        account(*limits),
        lambda agreed: InMemoryPermitRecord(agreed, remembered, session=session),
        clock=asyncio.get_running_loop().time,
    )


async def granted_of(limiter: RateLimiter) -> int:
    status: LimiterStatus = await limiter.status()
    return status.granted


def now() -> float:
    return asyncio.get_running_loop().time()


async def used_up(limiter: RateLimiter, permits: int) -> list[str]:
    """Take so many permits and never complete them."""
    bundles = [await limiter.acquire(PermitRequest(f"used {number}")) for number in range(permits)]
    return [permit_id for bundle in bundles if bundle for permit_id in bundle.permit_ids]


def answered(permit_ids: Sequence[str], seconds_ago: float = 0.0) -> list[Completion]:
    return [Completion(permit_id, Outcome.ANSWERED, seconds_ago) for permit_id in permit_ids]


async def ask_until_granted(limiter: RateLimiter, ticket: str, order: list[str], job_id: str = "") -> PermitBundle:
    while (bundle := await limiter.acquire(PermitRequest(ticket, job_id=job_id))) is None:
        pass
    order.append(ticket)
    return bundle


async def start(*waiting: asyncio.Task[PermitBundle]) -> None:
    await asyncio.sleep(0.001)
    assert not any(task.done() for task in waiting)


class Network:
    """Delays every request on its way to the broker, where it is counted, and its answer on the way back.

    An abandoned request still arrives: at most `TIMEOUT_SECONDS + ABANDONED_SECONDS` after it was sent.
    """

    def __init__(self, seed: int = 0, one_way_seconds: float | None = None, freezes: bool = False) -> None:
        self.arrivals: list[tuple[float, int]] = []
        self.abandoned = 0
        self.expired = 0
        self._chance = random.Random(seed)
        self._one_way_seconds = one_way_seconds
        self._freezes = freezes

    def leg_seconds(self) -> float:
        if self._one_way_seconds is not None:
            return self._one_way_seconds
        return min(self._chance.lognormvariate(-3.0, 1.2), TIMEOUT_SECONDS + ABANDONED_SECONDS)

    async def hold_up(self) -> None:
        """A delay of a process between its permit and its first byte."""
        if self._freezes and self._chance.random() < 0.1:
            await asyncio.sleep(self._chance.uniform(0, 2 * VALID_SECONDS))

    async def exchange(self, tokens: int) -> None:
        loop = asyncio.get_running_loop()
        there = self.leg_seconds()
        loop.call_later(there, lambda: self.arrivals.append((loop.time(), tokens)))
        await asyncio.sleep(there + self.leg_seconds())

    async def request(self, permits: PermitSource, tokens: int = 1) -> None:
        """One request on the wire, with as many permits as it takes."""
        while True:
            try:
                async with permits.acquire(tokens) as permit:
                    await self.hold_up()
                    permit.sent()
                    await self._answered(permit)
                return
            except PermitExpired:
                self.expired += 1

    async def request_for_ever(self, permits: PermitSource, tokens: int = 1) -> None:
        while True:
            await self.request(permits, tokens)

    async def requests(self, permits: PermitSource, count: int, workers: int, tokens: Sequence[int] = (1,)) -> float:
        """So many requests by so many workers; returns the seconds they took."""
        loop = asyncio.get_running_loop()
        began, ahead = loop.time(), iter(range(count))

        async def work() -> None:
            for number in ahead:
                await self.request(permits, tokens[number % len(tokens)])

        await asyncio.gather(*(work() for _ in range(workers)))
        seconds = loop.time() - began
        await asyncio.sleep(TIMEOUT_SECONDS + ABANDONED_SECONDS)
        return seconds

    async def _answered(self, permit: Permit) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await self.exchange(permit.tokens)
        except TimeoutError:
            self.abandoned += 1
            return
        permit.answered()

    def violations(self, *limits: str) -> int:
        """How many closed windows, of those that begin with an arrival, hold more than a limit."""
        arrivals = sorted(self.arrivals)
        return sum(_violations(RateLimit.parse(limit), arrivals) for limit in limits)


def _violations(limit: RateLimit, arrivals: list[tuple[float, int]]) -> int:
    count = held = end = 0
    for start, tokens in arrivals:
        while end < len(arrivals) and arrivals[end][0] <= start + limit.window_seconds:
            held += limit.cost(arrivals[end][1])
            end += 1
        count += held > limit.amount
        held -= limit.cost(tokens)
    return count


class BarePermits:
    """The alternative: a token bucket without a ledger."""

    def __init__(self, amount: float, window_seconds: float) -> None:
        self._bucket = AsyncLimiter(amount, window_seconds)

    @asynccontextmanager
    async def acquire(self, tokens: int = 1, pool: str = "") -> AsyncIterator[Permit]:
        await self._bucket.acquire(tokens)
        yield _BarePermit(tokens)

    async def cool_down(self, retry_after_seconds: float | None, reason: str) -> None:
        raise NotImplementedError


class _BarePermit:
    travel_seconds = 0.0

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens

    def sent(self) -> None:
        return

    def answered(self) -> None:
        return


class RemoteCalls:
    """A limiter behind a slow line, as with Ray: calls overtake each other, and a cancelled one goes on at the limiter.

    Calls in flight when the limiter dies are repeated to its successor.
    """

    def __init__(self, limiter: RateLimiter, seed: int = 0) -> None:
        self.limiter = limiter
        self.acquires = 0
        self._chance = random.Random(seed)
        self._under_way: set[asyncio.Task[Any]] = set()
        self._up = asyncio.Event()
        self._up.set()

    async def acquire(self, request: PermitRequest, completions: Sequence[Completion] = ()) -> PermitBundle | None:
        self.acquires += 1
        return await self._call(lambda: self.limiter.acquire(request, tuple(completions)))

    async def complete(self, completions: Sequence[Completion]) -> None:
        await self._call(lambda: self.limiter.complete(tuple(completions)))

    async def cool_down(self, retry_after_seconds: float | None, reason: str) -> float:
        return await self._call(lambda: self.limiter.cool_down(retry_after_seconds, reason))

    async def replace(self, successor: RateLimiter, down_seconds: float) -> None:
        """The limiter dies, and some time later another takes its place."""
        self._up.clear()
        for task in tuple(self._under_way):
            task.cancel()
        await asyncio.sleep(0)
        await self.limiter.shutdown()
        await asyncio.sleep(down_seconds)
        self.limiter = successor
        self._up.set()

    async def _call(self, begin: Any) -> Any:
        task = asyncio.get_running_loop().create_task(self._carry(begin))
        return await asyncio.shield(task)

    async def _carry(self, begin: Any) -> Any:
        while True:
            await asyncio.sleep(self._chance.expovariate(200))
            await self._up.wait()
            try:
                result = await self._over_there(begin())
            except asyncio.CancelledError:
                if self._up.is_set():
                    raise
                continue
            await asyncio.sleep(self._chance.expovariate(200))
            return result

    async def _over_there(self, call: Coroutine[Any, Any, Result]) -> Result:
        task = asyncio.get_running_loop().create_task(call)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await task


def client_of(limiter: RateLimiter | RemoteCalls, *limits: str) -> PermitClient:
    """A client of the limiter, which takes permit bundles where those limits allow them."""
    bundles = BundleTerms.of(account(*limits)) if limits else None
    return PermitClient(limiter, flush_seconds=0.25, clock=asyncio.get_running_loop().time, bundles=bundles)
