"""The ports of an account's limits: permits as their users see them, and the two memories of the limiter."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from domain.limits.ledger import GrantedPermit
from domain.limits.messages import Outcome, Priority
from domain.limits.rates import AccountLimits, RateLimit
from domain.limits.usage import BrokerUsage


class Permit(Protocol):
    """The right to put one request on the wire, once, now."""

    @property
    def tokens(self) -> int: ...

    @property
    def travel_seconds(self) -> float:
        """How long asking for it and getting it took, beyond what the limits made it wait."""

    def sent(self) -> None:
        """Say that the first byte is about to be written.

        Raises PermitExpired when the permit was held too long: write nothing and take another one.
        """

    def answered(self, usage: Sequence[BrokerUsage] = ()) -> None:
        """Say that the response headers are in: the request has arrived and is complete.

        `usage` is what they say of the broker's own counts; it can only slow the account down.
        """


class PermitSource(Protocol):
    """Where a gateway takes its permits: one for each request on the wire, retries included."""

    def acquire(self, tokens: int = 1, pool: str = "") -> AbstractAsyncContextManager[Permit]:
        """Wait for a permit of the broker's budget `pool`.

        Leaving the context ends it: it is released if never `sent`, and abandoned (it counts longer, since it
        may still arrive) if sent but never `answered`.

        Raises PermitImpossible when a window is smaller than `tokens`, LimiterUnavailable when the
        limiter is shut down.
        """

    async def cool_down(self, retry_after_seconds: float | None, reason: str) -> None:
        """Say that the broker refused (429, 418): nobody on the account sends until the time has passed.

        Without a time the limiter chooses: one window, doubling with each refusal in a row.
        """


class IRateLimiter(PermitSource, Protocol):
    """The limiter of one broker account, as a worker sees it."""

    def bound_to(self, job_id: str, priority: Priority = Priority.BULK) -> PermitSource:
        """The same account's permits, taken in the name of that job."""

    async def close(self) -> None:
        """Give back what is still held."""


@dataclass(frozen=True, slots=True)
class RecordedPermits:
    """What a permit record knows: every permit that was complete, or could arrive, after `complete_since`.

    Moments are seconds since this machine started. `agreed` are the limits that were in force last in this
    session, None when they never changed. The broker is left alone until `cooldown_until`.
    """

    permits: tuple[GrantedPermit, ...]
    cooldown_until: float
    complete_since: float
    agreed: AccountLimits | None
    note: str


class AccountOwnership(Protocol):
    """The right of this process to grant an account's permits. It ends with the process at the latest."""

    def release(self) -> None:
        """Let another process have the account; idempotent."""


class AccountOwners(Protocol):
    """Which process has which broker account. Both methods raise StorageUnavailable."""

    def claim(self, broker: str, account: str, holder: str) -> AccountOwnership | None:
        """Have the account, under the name that others are told; None when another process has it."""

    def find(self, broker: str, account: str) -> str | None:
        """The name of who has the account; None when nobody has. Hinders no claim."""


class PermitRecord(Protocol):
    """The memory of one account's permits that outlives processes. Quick to write, not slower than a permit.

    Whatever writes raises StorageUnavailable when it cannot: what was not noted must not be granted.
    """

    def open(self) -> RecordedPermits:
        """Take the account for this process, and return what is known of it.

        Raises LimiterUnavailable, naming the holder, when another process has it, or when nothing can be noted.
        """

    def known(self) -> RecordedPermits:
        """What is known now."""

    def granted(self, permits: Sequence[GrantedPermit]) -> None:
        """Note permits that were granted together, all or none; they survive this process once this returns."""

    def completed(self, permit: GrantedPermit) -> None:
        """Note that a permit's request is complete."""

    def release(self, permit_id: str) -> None:
        """Note that a permit was never used."""

    def cool_down(self, until: float) -> None:
        """Note that the broker wants nothing before that moment."""

    def end_cooldown(self, now: float) -> None:
        """Note that an operator ended the cooldown; a later one counts. It holds on where that cannot be noted."""

    def agree(self, limits: AccountLimits) -> None:
        """Note the limits that are in force from now on in this session."""

    def close(self) -> None:
        """Let go of the account."""


class PermitLog(Protocol):
    """Every permit for good, from which `domain.limits.audit` proves a run; the permit record knows who may write.

    No method raises for what cannot be written: collecting does not depend on it. Moments are seconds since
    this machine started.
    """

    def open(self, known: RecordedPermits, now: float) -> None:
        """Go on with the log, and agree with the permit record about what was granted when the last writer ended."""

    def note_limits(self, limits: Sequence[RateLimit], now: float) -> None:
        """Note the limits that hold from now on."""

    def granted(self, job_id: str, permits: Sequence[GrantedPermit]) -> None:
        """Note permits, one at least, before the permit record does and before they are handed out."""

    def completed(self, permit: GrantedPermit, outcome: Outcome, now: float) -> None:
        """Note that a permit's request is complete, answered or abandoned, before the permit record does."""

    def release(self, permit_id: str, now: float) -> None:
        """Note that a permit was never used."""

    def close(self) -> None:
        """Let go of the log."""
