"""OperatorPause: the port through which an operator reaches a broker account, and how a new limiter heeds it."""

from __future__ import annotations

from typing import Protocol

from domain.limits.messages import LimiterStatus


class OperatorPause(Protocol):
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


class RunningLimiter(Protocol):
    """A limiter that runs somewhere; its methods block until they are carried out."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def shutdown(self) -> None:
        """Refuse everybody, let go of the account and end the limiter, so that a later run begins another."""

    def status(self) -> LimiterStatus: ...


def sync_pause_state(switch: OperatorPause, limiter: RunningLimiter) -> None:
    """Bring a limiter that was just begun in line with the switch, whatever an operator does to both meanwhile.

    The switch is set before the limiter is told: when it still says the same after our order, no
    order of an operator can have come before ours and be undone by it.
    """
    is_paused = False
    while switch.is_paused() != is_paused:
        is_paused = not is_paused
        if is_paused:
            limiter.pause()
        else:
            limiter.resume()
