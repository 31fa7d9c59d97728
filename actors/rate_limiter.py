"""RateLimiter: the one place that hands out the permits of a broker account."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from uuid import uuid4

from actors.limiter.account import PermitAccount
from actors.limiter.counters import LimiterCounters, LimiterMetrics
from actors.limiter.dispatcher import PermitDispatcher
from actors.limiter.queue import PermitQueue, ReturnedTickets, Waiting
from actors.run_control import RunControl
from domain.errors import LimiterUnavailable
from domain.limits.ledger import GrantedPermit
from domain.limits.messages import Completion, LimiterStatus, Outcome, PermitBundle, PermitRequest
from domain.limits.ports import PermitLog, PermitRecord
from domain.limits.rates import AccountLimits

CALL_SECONDS = 1.0
"""How long a call with a ticket waits here before its caller has to call again."""
PATIENCE_SECONDS = 5.0
"""How long a place is kept for a caller that has not called again."""


class RateLimiter:
    """Grants the permits of one broker account; see `domain.limits.ledger` for the guarantee.

    Jobs get their shares, see `domain.limits.fair_shares`. One dispatcher for each pool takes the requests in order.
    `is_paused` reads the operator's switch, see `LimiterOperator`. It is read after the account is taken: an operator
    who finds the account taken tells the limiter, and an earlier order is seen here.
    """

    def __init__(
        self,
        limits: AccountLimits,
        open_record: Callable[[AccountLimits], PermitRecord],
        metrics: LimiterMetrics | None = None,
        *,
        clock: Callable[[], float],
        log: PermitLog | None = None,
        is_paused: Callable[[], bool] = lambda: False,
    ) -> None:
        self._account = PermitAccount(limits, open_record(limits), clock, log)
        self._counters = LimiterCounters(metrics)
        self._clock = clock
        self._control = RunControl()
        self._is_paused = is_paused
        self._returned = ReturnedTickets(clock, PATIENCE_SECONDS)
        self._dispatchers: dict[str, PermitDispatcher] = {}

    def __repr__(self) -> str:
        return f"RateLimiter({self._account.limits.broker}, {self._account.limits.account})"

    async def acquire(self, request: PermitRequest, completions: Sequence[Completion] = ()) -> PermitBundle | None:
        """Wait for permits.

        With a ticket the wait is bounded: None means call again with the same ticket, which keeps its place, and a
        ticket is granted once however often the call is repeated. `completions` are those of earlier permits. Raises
        PermitImpossible, or LimiterUnavailable after a shutdown.
        """
        self._open()
        if self._account.hear(request.job_id):
            self._limits_changed()
        self._take_back(completions)
        self._account.check_possible(request)
        called_at = self._clock()
        permits = request.ticket and self._account.outstanding(request.ticket, request.permits)
        if not permits:
            permits = await self._wait_in_line(request)
        return self._as_bundle(permits, called_at) if permits else None

    async def complete(self, completions: Sequence[Completion]) -> None:
        """Complete permits, when no acquire comes soon enough to carry their completions."""
        self._open()
        self._take_back(completions)

    async def cool_down(self, retry_after_seconds: float | None, reason: str) -> float:
        """Grant nothing until the broker takes requests again; returns for how many seconds.

        Without a given time this is the shortest window, doubled with every refusal that follows a cooldown.
        """
        self._open()
        self._account.cool_down(retry_after_seconds, reason)
        self._counters.cool_down(self._account.cooldowns)
        return self._account.cooldown_seconds

    async def end_cooldown(self) -> float:
        """Grant again although the broker refused; returns how many seconds of the cooldown were left.

        A wait for lost evidence goes on: nobody can end that.
        """
        self._open()
        left_seconds = self._account.end_cooldown()
        self._wake()
        return left_seconds

    async def attach(self, run: str, limits: AccountLimits) -> AccountLimits:
        """Attach a run with its limits; returns the limits in force, the strictest of all runs."""
        self._open()
        if self._account.attach(run, limits):
            self._limits_changed()
        return self._account.limits

    async def attend(self, run: str, limits: AccountLimits) -> LimiterStatus:
        """Note once a second that a run is still there, see `AttachedRuns`; returns the limiter's status."""
        await self.attach(run, limits)
        return await self.status()

    async def leave(self, run: str) -> None:
        """Detach a run, and its limits with it; idempotent."""
        if self._account.is_open and self._account.leave(run):
            self._limits_changed()

    async def pause(self, number: int | None = None) -> None:
        """Grant nothing until `resume`; requests keep their places."""
        self._control.pause(number=number)

    async def resume(self, number: int | None = None) -> None:
        """Grant again."""
        self._control.resume(number=number)

    async def shutdown(self) -> None:
        """Refuse every request and release the account; idempotent."""
        self._control.shutdown()
        for dispatcher in self._dispatchers.values():
            dispatcher.queue.refuse(lambda _: self._refusal())
            dispatcher.stop()
        self._account.close()

    async def status(self) -> LimiterStatus:
        """The limiter at this moment; does not open the account."""
        account = self._account
        queues = [dispatcher.queue for dispatcher in self._dispatchers.values()]
        windows, evidence_wait_seconds = account.windows(), account.evidence_wait_seconds
        self._counters.show(sum(map(len, queues)), account.cooldown_seconds, evidence_wait_seconds, windows)
        return LimiterStatus(
            broker=account.limits.broker,
            account=account.limits.account,
            windows=windows,
            waiting=sum(map(len, queues)),
            paused=self._control.is_paused,
            cooldown_seconds=account.cooldown_seconds,
            cooldown_reason=account.cooldown_reason,
            granted=self._counters.tokens_granted,
            waited_seconds=self._counters.waited_seconds,
            mean_call_seconds=self._counters.mean_call_seconds,
            note=account.note,
            jobs=tuple(job for queue in queues for job in queue.jobs()),
            cooldowns=account.cooldowns,
            cooldown_length_seconds=account.cooldown_length_seconds,
            mean_wait_seconds=self._counters.mean_wait_seconds,
            evidence_wait_seconds=evidence_wait_seconds,
            evidence_wait_reason=account.evidence_wait_reason if evidence_wait_seconds else "",
        )

    def _open(self) -> None:
        if self._control.is_stopping:
            raise self._refusal()
        if not self._account.is_open:
            self._account.open()
            if self._is_paused():
                self._control.pause()

    def _dispatcher(self, pool: str) -> PermitDispatcher:
        if pool not in self._dispatchers:
            queue = PermitQueue(self._clock, PATIENCE_SECONDS, self._returned)
            self._dispatchers[pool] = PermitDispatcher(pool, self._account, queue, self._control, self._counters)
        self._dispatchers[pool].start()
        return self._dispatchers[pool]

    def _limits_changed(self) -> None:
        for dispatcher in self._dispatchers.values():
            dispatcher.limits_changed()

    def _wake(self) -> None:
        for dispatcher in self._dispatchers.values():
            dispatcher.wake()

    def _refusal(self) -> LimiterUnavailable:
        return LimiterUnavailable(f"{self!r} is shut down")

    async def _wait_in_line(self, request: PermitRequest) -> tuple[GrantedPermit, ...]:
        dispatcher = self._dispatcher(request.pool)
        waiting = dispatcher.queue.join(request.ticket or uuid4().hex, request)
        dispatcher.wake()
        comes_back = False
        try:
            return await self._answer_to(waiting)
        except TimeoutError:
            comes_back = True
            return ()
        finally:
            dispatcher.queue.leave(waiting, comes_back)

    async def _answer_to(self, waiting: Waiting) -> tuple[GrantedPermit, ...]:
        knows_its_ticket = waiting.request.ticket is not None
        try:
            async with asyncio.timeout(CALL_SECONDS if knows_its_ticket else None):
                return await asyncio.shield(waiting.answer)
        except asyncio.CancelledError:
            self._wake()
            if not knows_its_ticket and not self._control.is_stopping:
                # Nobody else knows the ticket, so nobody else can return it.
                self._take_back([Completion(waiting.ticket, Outcome.UNUSED)])
            raise

    def _take_back(self, completions: Sequence[Completion]) -> None:
        for completion in completions:
            if completion.outcome is Outcome.UNUSED:
                self._take_back_unused(completion.permit_id)
                continue
            permit = self._account.complete(completion)
            if permit is not None and completion.outcome is Outcome.ANSWERED:
                self._counters.call(permit.completed_at - permit.granted_at)
        if completions:
            self._wake()

    def _take_back_unused(self, ticket: str) -> None:
        self._returned.add(ticket)
        for dispatcher in self._dispatchers.values():
            dispatcher.queue.give_back(ticket)
        for permit in self._account.release(ticket):
            if permit.pool in self._dispatchers:
                self._dispatchers[permit.pool].give_back(permit.tokens)

    def _as_bundle(self, permits: Sequence[GrantedPermit], called_at: float) -> PermitBundle:
        return PermitBundle(
            tuple(permit.permit_id for permit in permits),
            permits[0].tokens,
            permits[0].granted_at - called_at,
            self._account.valid_seconds(permits[0]),
        )
