"""RateLimiter: the one place that hands out the permits of a broker account."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from uuid import uuid4

from actors.limiter_tally import LimiterMetrics, LimiterTally
from actors.permit_account import PermitAccount
from actors.permit_queue import PermitQueue, Waiting
from actors.permit_shaper import PermitShaper
from actors.run_control import Interrupted, RunControl
from domain.errors import LimiterUnavailable, PermitImpossible
from domain.grants import Lease, LimiterStatus, Outcome, PermitRequest, Settlement
from domain.permits import LentPermit
from domain.ports import PermitRecord
from domain.rates import AccountLimits

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
        self._account = PermitAccount(limits, open_record(limits), clock)
        self._tally = LimiterTally(metrics)
        self._clock = clock
        self._shaper = PermitShaper(limits.shortest)
        self._queue = PermitQueue(clock, PATIENCE_SECONDS)
        self._control = RunControl()
        self._changed = asyncio.Event()
        self._dispatcher: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"RateLimiter({self._account.limits.broker}, {self._account.limits.account})"

    async def acquire(self, request: PermitRequest, settled: Sequence[Settlement] = ()) -> Lease | None:
        """Wait for permits.

        With a ticket the wait is bounded: None means ask again with the same ticket, which keeps its
        place, and a ticket is granted once however often it is asked. `settled` tells on the way what
        became of earlier permits. Raises PermitImpossible, or LimiterUnavailable after a shutdown.
        """
        self._open()
        self._take_back(settled)
        self._account.ledger.check_possible(request.tokens)
        called_at = self._clock()
        ticket = request.ticket
        if ticket and (lent := self._account.ledger.lent(ticket)):
            return self._as_lease(lent, called_at)
        waiting = self._queue.join(ticket or uuid4().hex, request.job_id, request.tokens)
        self._changed.set()
        permit = await self._answer_to(waiting, CALL_SECONDS if ticket else None)
        return self._as_lease(permit, called_at) if permit else None

    async def settle(self, settled: Sequence[Settlement]) -> None:
        """Take back permits, when no acquire comes soon enough to carry them."""
        self._open()
        self._take_back(settled)

    async def seal(self, retry_after_seconds: float | None, reason: str) -> float:
        """Grant nothing until the broker takes requests again; returns for how many seconds.

        Without a time given: the shortest window, doubled with every refusal that follows a seal.
        """
        self._open()
        self._account.seal(retry_after_seconds, reason)
        return self._account.sealed_seconds

    async def agree(self, limits: AccountLimits) -> AccountLimits:
        """Take in what another run says of the account; returns what holds now: the stricter of both."""
        self._open()
        if self._account.agree(limits):
            self._shaper = PermitShaper(self._account.limits.shortest)
            self._queue.refuse(self._impossibility)
            self._changed.set()
        return self._account.limits

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
        self._account.close()

    async def status(self) -> LimiterStatus:
        """The limiter at this moment; opens nothing."""
        account = self._account
        return LimiterStatus(
            broker=account.limits.broker,
            account=account.limits.account,
            windows=account.windows(),
            waiting=len(self._queue),
            paused=self._control.is_paused,
            sealed_seconds=account.sealed_seconds,
            sealed_reason=account.sealed_reason,
            granted=self._tally.tokens_granted,
            waited_seconds=self._tally.waited_seconds,
            mean_call_seconds=self._tally.mean_call_seconds,
            note=account.note,
        )

    def _open(self) -> None:
        if self._control.is_stopping:
            raise self._refusal()
        self._account.open()
        if self._dispatcher is None:
            self._shaper = PermitShaper(self._account.limits.shortest)
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
        return LimiterUnavailable(f"{self!r} is shut down")

    def _impossibility(self, waiting: Waiting) -> PermitImpossible | None:
        try:
            self._account.ledger.check_possible(waiting.tokens)
        except PermitImpossible as error:
            return error
        return None

    async def _answer_to(self, waiting: Waiting, timeout_seconds: float | None) -> LentPermit | None:
        comes_back = False
        try:
            async with asyncio.timeout(timeout_seconds):
                return await asyncio.shield(waiting.answer)
        except TimeoutError:
            comes_back = True
            return None
        except asyncio.CancelledError:
            self._changed.set()
            if timeout_seconds is None and not self._control.is_stopping:
                # Nobody else knows the ticket, so nobody else can give it back.
                self._take_back([Settlement(waiting.ticket, Outcome.UNUSED)])
            raise
        finally:
            self._queue.leave(waiting, comes_back)

    def _take_back(self, settled: Sequence[Settlement]) -> None:
        for settlement in settled:
            if settlement.outcome is Outcome.UNUSED:
                self._queue.give_back(settlement.permit_id)
            permit = self._account.take_back(settlement)
            if permit is not None and settlement.outcome is Outcome.UNUSED:
                self._shaper.give_back(permit.tokens)
            elif permit is not None and settlement.outcome is Outcome.ANSWERED:
                self._tally.call(permit.over_at - permit.granted_at)
        if settled:
            self._changed.set()

    async def _dispatch(self) -> None:
        while True:
            await self._control.passage()
            head = self._queue.head()
            if head is None:
                await self._until_changed(None)
                continue
            if not self._shaper.is_ready(head.tokens):
                # Whoever is head by then uses what was shaped.
                await self._shaper.shape(head.tokens, self._changed)
                continue
            delay_seconds = self._account.wait_seconds(head.tokens)
            if delay_seconds > 0:
                await self._until_changed(delay_seconds)
                continue
            self._grant(head)

    async def _until_changed(self, timeout_seconds: float | None) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    def _grant(self, waiting: Waiting) -> None:
        try:
            permit = self._account.lend(waiting.ticket, waiting.tokens)
        except LimiterUnavailable as error:
            message = str(error)
            self._queue.refuse(lambda _: LimiterUnavailable(message))
            return
        self._shaper.use(waiting.tokens)
        self._queue.serve(waiting, permit)
        self._tally.grant(waiting.tokens, permit.granted_at - waiting.asked_at)
        self._tally.show(len(self._queue), self._account.sealed_seconds)

    def _as_lease(self, permit: LentPermit, called_at: float) -> Lease:
        granted_after_seconds = permit.granted_at - called_at
        valid_seconds = self._account.limits.permit_valid_seconds
        return Lease((permit.permit_id,), permit.tokens, granted_after_seconds, valid_seconds)
