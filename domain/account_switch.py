"""AccountSwitch: the port through which an operator reaches a broker account."""

from __future__ import annotations

from typing import Protocol


class AccountSwitch(Protocol):
    """Whether an operator lets an account be used; outlives every process, and is there before the first.

    Changing it raises StorageUnavailable when that cannot be written.
    """

    def is_paused(self) -> bool:
        """Whether nothing may be granted; an order that cannot be read counts as one to pause."""

    def pause(self) -> None:
        """Let nobody be granted anything from now on, until `resume`; idempotent."""

    def resume(self) -> None:
        """Take the order back; idempotent."""

    def announce(self, address: str) -> None:
        """Say in which cluster the limiter runs that has the account."""

    def limiter_address(self) -> str | None:
        """The cluster where the limiter runs that has the account; None when nobody has it."""
