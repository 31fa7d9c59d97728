"""LimiterOperator: what an operator can have done with a broker account, from any terminal of the machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, Self

from actors.ray_session import RaySession
from domain.account_switch import AccountSwitch
from domain.grants import LimiterStatus


class FoundLimiter(Protocol):
    """A limiter that runs somewhere; its methods block until they are carried out."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def shutdown(self) -> None:
        """Refuse everybody, let go of the account and end the limiter, so that a later run begins another."""

    def status(self) -> LimiterStatus: ...


class LimiterOperator:
    """Steers one account: its switch, which holds for every limiter to come, and the limiter that runs, if any does.

    The switch is set before the limiter is told, a limiter heeds it when it starts, and whoever starts one
    looks again after that: in no order of events does a pause get lost. A context manager.
    """

    def __init__(
        self,
        switch: AccountSwitch,
        find_limiter: Callable[[], FoundLimiter | None],
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self._switch = switch
        self._find_limiter = find_limiter
        self._close = close

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    @property
    def is_paused(self) -> bool:
        """Whether the account is paused, whoever runs or does not."""
        return self._switch.is_paused()

    def pause(self) -> bool:
        """Let nothing be granted until `resume`; whether a limiter runs that heard of it."""
        self._switch.pause()
        limiter = self._find_limiter()
        if limiter:
            limiter.pause()
        return limiter is not None

    def resume(self) -> bool:
        """Let permits be granted again; whether a limiter runs that heard of it."""
        self._switch.resume()
        limiter = self._find_limiter()
        if limiter:
            limiter.resume()
        return limiter is not None

    def shutdown(self) -> bool:
        """End the limiter; False when none runs. Its jobs pause, for `limiter_unavailable`."""
        limiter = self._find_limiter()
        if limiter:
            limiter.shutdown()
        return limiter is not None

    def status(self) -> LimiterStatus | None:
        """The limiter at this moment; None when none runs."""
        limiter = self._find_limiter()
        return limiter.status() if limiter else None


def heed(switch: AccountSwitch, limiter: FoundLimiter) -> None:
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


class LimiterSearch:
    """Looks for an account's limiter in the cluster where it is said to run, which this process then joins."""

    def __init__(self, address: Callable[[], str | None], find_actor: Callable[[], Any]) -> None:
        self._address = address
        self._find_actor = find_actor
        self._session = RaySession()

    def __call__(self) -> FoundLimiter | None:
        """The limiter; None when none runs."""
        address = self._address()
        if address is None:
            return None
        self._session.connect(address)
        actor = self._find_actor()
        if actor is None:
            return None
        from actors.handles import LimiterHandle

        return LimiterHandle(actor)

    def close(self) -> None:
        """Leave the cluster."""
        self._session.close()
