"""InMemoryPermitRecord: an account's permits in plain state that outlives the limiters using it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from adapters.in_memory.owners import InMemoryAccountOwners, InMemoryAccountOwnership
from domain.errors import LimiterUnavailable, StorageUnavailable
from domain.limits.ledger import GrantedPermit
from domain.limits.ports import RecordedPermits
from domain.limits.rates import AccountLimits


@dataclass(slots=True)
class PermitMemory:
    """The part of an account's record that outlives a process; `is_full` makes writes fail."""

    permits: dict[str, GrantedPermit] = field(default_factory=dict)
    cooldown_until: float = float("-inf")
    complete_since: float = float("-inf")
    agreed: dict[str, AccountLimits] = field(default_factory=dict)
    owners: InMemoryAccountOwners = field(default_factory=InMemoryAccountOwners)
    is_full: bool = False

    def kill_holder(self) -> None:
        """Simulate the death of the process that has the account."""
        self.owners.kill_holders()


class InMemoryOperatorPause:
    """The switch of an account that has its owner among `owners`; implements `domain.limits.operator_pause`."""

    def __init__(
        self, owners: InMemoryAccountOwners | None = None, broker: str = "memory", account: str = "default"
    ) -> None:
        self._owners, self._broker, self._account = owners or InMemoryAccountOwners(), broker, account
        self._is_paused = False
        self._address: str | None = None

    def is_paused(self) -> bool:
        """Whether it was paused last."""
        return self._is_paused

    def pause(self) -> None:
        """Pause it."""
        self._is_paused = True

    def resume(self) -> None:
        """Resume it."""
        self._is_paused = False

    def announce(self, address: str) -> None:
        """Remember the address."""
        self._address = address

    def limiter_address(self) -> str | None:
        """What was announced, while the account is held."""
        return self._address if self._owners.find(self._broker, self._account) else None


class InMemoryPermitRecord:
    """A permit record that forgets nothing while its `memory` lives; implements `domain.limits.ports.PermitRecord`."""

    def __init__(
        self, limits: AccountLimits, memory: PermitMemory | None = None, holder: str = "memory", session: str = "memory"
    ) -> None:
        self.memory = memory or PermitMemory()
        self._limits, self._holder, self._session = limits, holder, session
        self._ownership: InMemoryAccountOwnership | None = None

    def open(self) -> RecordedPermits:
        """Take the account, unless another record holds it."""
        if self._ownership is None:
            broker, account = self._limits.broker, self._limits.account
            self._ownership = self.memory.owners.claim(broker, account, self._holder)
            if self._ownership is None:
                holder = self.memory.owners.find(broker, account)
                raise LimiterUnavailable(f"the account {account!r} of {broker} is in use by {holder}")
        return self.known()

    def known(self) -> RecordedPermits:
        """Every permit there ever was, including those that were complete long ago."""
        memory = self.memory
        permits = tuple(memory.permits.values())
        note = f"{len(permits)} permits are remembered"
        return RecordedPermits(
            permits, memory.cooldown_until, memory.complete_since, memory.agreed.get(self._session), note
        )

    def granted(self, permits: Sequence[GrantedPermit]) -> None:
        """Remember the permits."""
        self._check_writable()
        self.memory.permits.update((permit.permit_id, permit) for permit in permits)

    def completed(self, permit: GrantedPermit) -> None:
        """Remember that the permit is complete."""
        self._check_writable()
        self.memory.permits[permit.permit_id] = permit

    def release(self, permit_id: str) -> None:
        """Forget the permit."""
        self._check_writable()
        self.memory.permits.pop(permit_id, None)

    def cool_down(self, until: float) -> None:
        """Remember the latest end of a cooldown."""
        self._check_writable()
        self.memory.cooldown_until = max(self.memory.cooldown_until, until)

    def end_cooldown(self, now: float) -> None:
        """Remember that it was ended."""
        self._check_writable()
        self.memory.cooldown_until = min(self.memory.cooldown_until, now)

    def agree(self, limits: AccountLimits) -> None:
        """Remember the limits for this session."""
        self._check_writable()
        self.memory.agreed[self._session] = limits

    def close(self) -> None:
        """Release the account; idempotent."""
        if self._ownership is not None:
            self._ownership.release()
            self._ownership = None

    def _check_writable(self) -> None:
        if self._ownership is None:
            raise StorageUnavailable("memory", "the account was released")
        if self.memory.is_full:
            raise StorageUnavailable("memory", "it is full")
