"""OperatorPause: the port through which an operator stops a broker account, and how a new limiter obeys."""

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
        """Have nothing granted from now on, until `resume`; idempotent."""

    def resume(self) -> None:
        """Take the order back; idempotent."""

    def announce(self, address: str) -> None:
        """Say in which cluster the account's limiter runs."""

    def limiter_address(self) -> str | None:
        """The cluster where the account's limiter runs; None when no limiter has the account."""


class RunningLimiter(Protocol):
    """A limiter that runs somewhere; its methods block until they are carried out."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def end_cooldown(self) -> float:
        """Send again although the broker refused; how many seconds of the cooldown were left, 0 if there was none."""

    def shutdown(self) -> None:
        """Refuse everybody, let go of the account and end the limiter, so that a later run begins another."""

    def status(self) -> LimiterStatus: ...


def sync_pause_state(switch: OperatorPause, limiter: RunningLimiter) -> None:
    """Pause or resume a limiter that has just started, as the switch says, whatever an operator does meanwhile.

    An operator sets the switch before telling the limiter. So when the switch still says the same after our
    order, ours has undone no order of an operator's.
    """
    is_paused = False
    while switch.is_paused() != is_paused:
        is_paused = not is_paused
        if is_paused:
            limiter.pause()
        else:
            limiter.resume()
