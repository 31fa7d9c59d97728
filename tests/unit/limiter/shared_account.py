"""A broker in virtual time that counts, refuses and reports its counts; and other programs on the account."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Sequence

from adapters.simulator.arrivals import Arrival, ArrivalLog
from domain.errors import PermitExpired
from domain.limits.ports import PermitSource
from domain.limits.rates import Counts, RateLimit
from domain.limits.usage import BrokerUsage

MINUTE_SECONDS = 60.0
OURS, THEIRS = "ours", "theirs"


class CountingBroker:
    """Enforces limits with the simulated exchange's own log, and reports the used weight of a minute.

    With `calendar` its count restarts at each full minute, as Binance's does; with `is_silent` it reports nothing.
    `told` is called with every report.
    """

    def __init__(
        self, *limits: str, seed: int = 0, calendar: bool = False, is_silent: bool = False, median_seconds: float = 0.05
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.log = ArrivalLog([RateLimit.parse(limit) for limit in limits], self.loop.time)
        self.refused = {OURS: 0, THEIRS: 0}
        self._calendar, self._is_silent = calendar, is_silent
        self._chance = random.Random(seed)
        self._median_seconds = median_seconds

    async def request(self, permits: PermitSource, tokens: int = 2) -> bool:
        """One of our requests, answered or refused; False if it was refused."""
        while True:
            try:
                async with permits.acquire(tokens) as permit:
                    permit.sent()
                    await asyncio.sleep(self._leg_seconds())
                    used, wait_seconds = self._arrive(OURS, tokens)
                    await asyncio.sleep(self._leg_seconds())
                    permit.answered([] if self._is_silent else [BrokerUsage(MINUTE_SECONDS, Counts.WEIGHT, used)])
                    if wait_seconds is not None:
                        await permits.cool_down(max(1, math.ceil(wait_seconds)), "HTTP 429")
                return wait_seconds is None
            except PermitExpired:
                continue

    async def requests(
        self, permits: PermitSource, count: int, workers: int = 8, tokens: Sequence[int] = (2,)
    ) -> float:
        """So many requests by so many workers, refused ones again; returns the seconds they took."""
        began, ahead = self.loop.time(), iter(range(count))

        async def work() -> None:
            for number in ahead:
                while not await self.request(permits, tokens[number % len(tokens)]):
                    pass

        await asyncio.gather(*(work() for _ in range(workers)))
        return self.loop.time() - began

    async def others(self, per_second: float, tokens: int, until: Callable[[], bool]) -> None:
        """Another program on the account, independent of us."""
        while not until():
            await asyncio.sleep(self._chance.expovariate(per_second))
            self._arrive(THEIRS, tokens)

    def weight_of(self, client: str, since: float, until: float) -> int:
        """The weight that arrived from one client in a span of time."""
        return sum(one.weight for one in self._arrived(since, until) if one.client == client)

    def _arrived(self, since: float, until: float) -> list[Arrival]:
        return [one for one in self.log.arrivals if since <= one.at_seconds <= until]

    def _arrive(self, client: str, tokens: int) -> tuple[int, float | None]:
        _, wait_seconds = self.log.arrive("/api", "", tokens, client)
        self.refused[client] += wait_seconds is not None
        now = self.loop.time()
        minute_began = now - now % MINUTE_SECONDS
        used = sum(one.weight for one in self._arrived(minute_began, now)) if self._calendar else self.log.used_weight
        return used, wait_seconds

    def _leg_seconds(self) -> float:
        return min(self._chance.lognormvariate(math.log(self._median_seconds / 2), 0.8), 0.5)
