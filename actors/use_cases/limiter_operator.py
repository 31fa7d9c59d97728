"""LimiterOperator: what an operator can have done with a broker account, from any terminal of the machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from domain.limits.messages import LimiterStatus
from domain.limits.operator_pause import OperatorPause, RunningLimiter


class LimiterOperator:
    """Steers one account: its switch, which holds for every limiter to come, and the limiter that runs, if any does.

    The switch is set before the limiter is told, a limiter heeds it when it starts, and whoever starts one
    looks again after that: in no order of events does a pause get lost. A context manager.
    """

    def __init__(
        self,
        switch: OperatorPause,
        find_limiter: Callable[[], RunningLimiter | None],
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

    def end_cooldown(self) -> float | None:
        """Send again although the broker refused; how many seconds were left of the cooldown, None if no limiter runs.

        A wait for lost evidence goes on.
        """
        limiter = self._find_limiter()
        return limiter.end_cooldown() if limiter else None

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
