"""RateLimiter: the one place that hands out the permits of a broker account."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from uuid import uuid4

from aiolimiter import AsyncLimiter

from actors.limiter_tally import LimiterMetrics, LimiterTally
from actors.permit_queue import PermitQueue, Waiting
from actors.run_control import Interrupted, RunControl
from domain.errors import LimiterUnavailable, PermitImpossible, StorageUnavailable
from domain.grants import Grant, LimiterStatus, Outcome, Settlement, WindowStatus
from domain.permits import LentPermit, PermitLedger
from domain.ports import PermitRecord, RecordedPermits
from domain.rates import AccountLimits, RateLimit
from domain.refusals import RefusalStreak

CALL_SECONDS = 1.0
"""How long a call with a ticket waits here before its caller has to ask again."""
PATIENCE_SECONDS = 5.0
"""How long a place is kept for a caller that has not asked again."""


class RateLimiter:
    """Grants the permits of one broker account, jobs taking turns; see `domain.permits` for the guarantee.

    One dispatcher takes the requests in order: `AsyncLimiter` shapes the pace of the shortest window,
    then the ledger is asked and the grant made in one step of the event loop.
    """

    def __init__(
        self,
        limits: AccountLimits,
        open_record: Callable[[AccountLimits], PermitRecord],
        metrics: LimiterMetrics | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits
        self._record = open_record(limits)
        self._tally = LimiterTally(metrics)
        self._clock = clock
        self._ledger = PermitLedger(limits.limits)
        self._shaper = _shaper_for(limits.shortest)
        self._shaped = 0
        self._queue = PermitQueue(clock, PATIENCE_SECONDS)
        self._control = RunControl()
        self._changed = asyncio.Event()
        self._dispatcher: asyncio.Task[None] | None = None
        self._note = ""
        self._sealed_reason = ""
        self._refusals = _refusals_of(limits)
        self._is_open = False

    def __repr__(self) -> str:
        return f"RateLimiter({self._limits.broker}, {self._limits.account})"

    async def acquire(
        self, tokens: int = 1, ticket: str | None = None, settled: Sequence[Settlement] = (), job_id: str = ""
    ) -> Grant | None:
        """Wait for a permit of that weight.

        With a ticket the wait is bounded: None means ask again with the same ticket, which keeps its
        place, and a ticket is granted once however often it is asked. `settled` tells on the way what
        became of earlier permits. Raises PermitImpossible, or LimiterUnavailable after a shutdown.
        """
        self._open()
        self._apply(settled)
        self._ledger.check_possible(tokens)
        called_at = self._clock()
        if ticket and (lent := self._ledger.lent(ticket)):
            return self._as_grant(lent, called_at)
        waiting = self._queue.join(ticket or uuid4().hex, job_id, tokens)
        self._changed.set()
        comes_back = False
        try:
            async with asyncio.timeout(CALL_SECONDS if ticket else None):
                permit = await asyncio.shield(waiting.answer)
        except TimeoutError:
            comes_back = True
            return None
        except asyncio.CancelledError:
            if not ticket:
                self._apply([Settlement(waiting.ticket, Outcome.UNUSED)])
            raise
        finally:
            self._queue.leave(waiting, comes_back)
        return self._as_grant(permit, called_at) if permit else None

    async def settle(self, settled: Sequence[Settlement]) -> None:
        """Take back permits, when no acquire comes soon enough to carry them."""
        self._open()
        self._apply(settled)

    async def seal(self, retry_after_seconds: float | None, reason: str) -> float:
        """Grant nothing until the broker takes requests again; returns for how many seconds.

        Without a time given: the shortest window, doubled with every refusal that follows a seal.
        """
        self._open()
        now = self._clock()
        until = now + self._refusals.silence_seconds(retry_after_seconds, now, self._ledger.sealed_until)
        self._ledger.seal(until)
        self._sealed_reason = reason
        with self._noting():
            self._record.seal(until)
        return max(0.0, self._ledger.sealed_until - now)

    async def agree(self, limits: AccountLimits) -> AccountLimits:
        """Take in what another run says of the account; returns what holds now: the stricter of both."""
        self._open()
        stricter = self._limits.stricter(limits)
        if stricter != self._limits:
            with self._noting():
                self._record.agree(stricter)
            self._rebuild(self._record.known())
            self._queue.refuse(self._impossibility)
        return self._limits

    async def pause(self, number: int | None = None) -> None:
        """Grant nothing until `resume`; requests keep their places."""
        self._control.pause(number=number)

    async def resume(self, number: int | None = None) -> None:
        """Grant again."""
        self._control.resume(number=number)

    async def shutdown(self) -> None:
        """Refuse everybody, let go of the account; idempotent."""
        self._control.shutdown()
        self._queue.refuse(lambda _: self._refusal())
        if self._dispatcher:
            self._dispatcher.cancel()
        self._record.close()

    async def status(self) -> LimiterStatus:
        """The limiter at this moment; opens nothing."""
        now = self._clock()
        windows = tuple(
            WindowStatus(str(limit), limit.amount, counted)
            for limit, counted in zip(self._ledger.limits, self._ledger.counted(now), strict=True)
        )
        return LimiterStatus(
            broker=self._limits.broker,
            account=self._limits.account,
            windows=windows,
            waiting=len(self._queue),
            paused=self._control.is_paused,
            sealed_seconds=max(0.0, self._ledger.sealed_until - now),
            sealed_reason=self._sealed_reason,
            granted=self._tally.tokens_granted,
            waited_seconds=self._tally.waited_seconds,
            mean_call_seconds=self._tally.mean_call_seconds,
            note=self._note,
        )

    def _open(self) -> None:
        if self._control.is_stopping:
            raise self._refusal()
        if not self._is_open:
            known = self._record.open()
            self._note = known.note
            self._rebuild(known)
            self._is_open = True
        if self._dispatcher is None:
            self._dispatcher = asyncio.get_running_loop().create_task(self._dispatch())
            self._dispatcher.add_done_callback(self._dispatcher_ended)

    def _dispatcher_ended(self, dispatcher: asyncio.Task[None]) -> None:
        """Nobody may wait for a dispatcher that is gone: the next call starts another."""
        self._dispatcher = None
        error = None if dispatcher.cancelled() else dispatcher.exception()
        if error is not None and not isinstance(error, Interrupted):
            self._queue.refuse(lambda _: LimiterUnavailable(f"the rate limiter failed: {error!r}"))
            raise error

    def _refusal(self) -> LimiterUnavailable:
        return LimiterUnavailable(f"the rate limiter of {self._limits.broker} ({self._limits.account}) is shut down")

    def _rebuild(self, known: RecordedPermits) -> None:
        self._limits = self._limits.stricter(known.agreed) if known.agreed else self._limits
        self._refusals = _refusals_of(self._limits)
        self._shaper = _shaper_for(self._limits.shortest)
        self._shaped = 0
        self._ledger = PermitLedger(self._limits.limits)
        self._ledger.restore(known.permits, known.sealed_until)
        self._ledger.seal(known.complete_since + self._ledger.longest_window_seconds)
        self._changed.set()

    def _impossibility(self, waiting: Waiting) -> PermitImpossible | None:
        try:
            self._ledger.check_possible(waiting.tokens)
        except PermitImpossible as error:
            return error
        return None

    def _apply(self, settled: Sequence[Settlement]) -> None:
        now = self._clock()
        with self._noting():
            for settlement in settled:
                self._end(settlement, now)
        if settled:
            self._changed.set()

    def _end(self, settlement: Settlement, now: float) -> None:
        if settlement.outcome is Outcome.UNUSED:
            self._queue.give_back(settlement.permit_id)
            if self._ledger.void(settlement.permit_id, now):
                self._record.void(settlement.permit_id)
            return
        stray_seconds = self._limits.stray_seconds if settlement.outcome is Outcome.STRAY else 0.0
        over = self._ledger.settle(settlement.permit_id, now - settlement.seconds_ago + stray_seconds, now)
        if over is None:
            return
        if settlement.outcome is Outcome.ANSWERED:
            self._tally.call(over.over_at - over.granted_at)
        self._record.over(over)

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except StorageUnavailable as error:
            raise LimiterUnavailable(f"no permit is granted without its record: {error}") from error

    async def _dispatch(self) -> None:
        while True:
            await self._control.passage()
            head = self._queue.head()
            if head is None:
                await self._until_changed(None)
                continue
            cost = self._limits.shortest.cost(head.tokens)
            if self._shaped < cost:
                # Whoever is head by then uses what was shaped: a cancelled head passes it on.
                await self._shaper.acquire(cost - self._shaped)
                self._shaped = cost
                continue
            delay_seconds = self._ledger.wait_seconds(head.tokens, self._clock())
            if delay_seconds > 0:
                await self._until_changed(delay_seconds)
                continue
            self._shaped -= cost
            self._grant(head)

    async def _until_changed(self, timeout_seconds: float | None) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    def _grant(self, waiting: Waiting) -> None:
        now = self._clock()
        over_by = now + self._limits.longest_flight_seconds
        permit = self._ledger.lend(waiting.ticket, waiting.tokens, now, over_by)
        try:
            with self._noting():
                self._record.lent(permit)
        except LimiterUnavailable as error:
            self._ledger.void(permit.permit_id, now)
            message = str(error)
            self._queue.refuse(lambda _: LimiterUnavailable(message))
            return
        self._queue.serve(waiting, permit)
        self._tally.grant(waiting.tokens, now - waiting.asked_at)
        self._tally.show(len(self._queue), max(0.0, self._ledger.sealed_until - now))

    def _as_grant(self, permit: LentPermit, called_at: float) -> Grant:
        granted_after_seconds = permit.granted_at - called_at
        return Grant(permit.permit_id, permit.tokens, granted_after_seconds, self._limits.permit_valid_seconds)


def _shaper_for(limit: RateLimit) -> AsyncLimiter:
    return AsyncLimiter(limit.amount, limit.window_seconds)


def _refusals_of(limits: AccountLimits) -> RefusalStreak:
    return RefusalStreak(limits.shortest.window_seconds, limits.longest_flight_seconds)
