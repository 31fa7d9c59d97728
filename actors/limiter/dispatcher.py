"""PermitDispatcher: serves the requests for permits of one pool, in order and as fast as its limits allow."""

from __future__ import annotations

import asyncio

from actors.limiter.account import PermitAccount
from actors.limiter.counters import LimiterCounters
from actors.limiter.queue import PermitQueue, Waiting
from actors.limiter.shaper import PermitShaper
from actors.run_control import Interrupted, RunControl
from domain.errors import LimiterUnavailable, PermitImpossible
from domain.limits.permit_bundles import BundleTerms


class PermitDispatcher:
    """Takes the requests one at a time: shapes them, then asks the ledger and grants in one step of the loop.

    A request for several permits gets them all at once, or as many as a permit bundle may have. Requests in other pools
    are not delayed.
    """

    def __init__(
        self,
        pool: str,
        account: PermitAccount,
        queue: PermitQueue,
        control: RunControl,
        counters: LimiterCounters,
    ) -> None:
        self.queue = queue
        self._pool = pool
        self._account = account
        self._control = control
        self._counters = counters
        self._shaper = PermitShaper(account.limits, pool)
        self._bundles = BundleTerms.of(account.limits)
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start serving, unless it has started; idempotent."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._dispatch())
            self._task.add_done_callback(self._ended)

    def stop(self) -> None:
        """Stop serving."""
        if self._task:
            self._task.cancel()

    def wake(self) -> None:
        """Check again who is next and what may be granted: something has changed."""
        self._changed.set()

    def limits_changed(self) -> None:
        """The account's limits have changed: refuse requests that have become impossible."""
        self._shaper = PermitShaper(self._account.limits, self._pool)
        self._bundles = BundleTerms.of(self._account.limits)
        self.queue.refuse(self._impossibility)
        self.wake()

    def give_back(self, tokens: int) -> None:
        """A permit of this pool was released: another request may use its shaped tokens."""
        self._shaper.give_back(tokens)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Refuse the waiting requests of a dispatcher that failed; the next call starts another."""
        self._task = None
        self._account.turns.leave(self._pool)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, Interrupted):
            self.queue.refuse(lambda _: LimiterUnavailable(f"the rate limiter failed: {error!r}"))
            raise error

    def _impossibility(self, waiting: Waiting) -> PermitImpossible | None:
        try:
            self._account.check_possible(waiting.request)
        except PermitImpossible as error:
            return error
        return None

    async def _dispatch(self) -> None:
        while True:
            await self._control.wait_until_resumed()
            head = self.queue.head()
            if head is None:
                self._account.turns.leave(self._pool)
                await self._until_changed(None)
                continue
            tokens = head.request.tokens
            permits = min(head.request.permits, self._bundles.permits(tokens, self._pool))
            evenly = self.queue.has_rival(head, self._shaper.window_seconds)
            if not self._shaper.is_ready(tokens, permits, evenly):
                # The request that is the head by then uses what was shaped.
                await self._shaper.shape(tokens, permits, evenly, self._changed)
                continue
            delay_seconds = self._account.turns.wait_seconds(head.request, permits, head.asked_at)
            if delay_seconds > 0:
                await self._until_changed(delay_seconds)
                continue
            self._grant(head, permits)

    async def _until_changed(self, timeout_seconds: float | None) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    def _grant(self, waiting: Waiting, permits: int) -> None:
        try:
            granted = self._account.grant(waiting.ticket, waiting.request, permits)
        except LimiterUnavailable as error:
            message = str(error)
            self.queue.refuse(lambda _: LimiterUnavailable(message))
            return
        self._account.turns.leave(self._pool)
        self._shaper.use(waiting.request.tokens, permits)
        self.queue.serve(waiting, granted)
        self._counters.grant(waiting.request.tokens * permits, granted[0].granted_at - waiting.asked_at)
        self._counters.show(len(self.queue), self._account.cooldown_seconds, self._account.evidence_wait_seconds)
