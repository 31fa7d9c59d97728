"""LimiterOperator: what an operator can do with a broker account, from any terminal of the machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from domain.errors import LimiterUnavailable
from domain.limits.messages import LimiterStatus
from domain.limits.operator_pause import OperatorPause, RunningLimiter


class LimiterOperator:
    """Steers one account: its switch, which every later limiter obeys, and the running limiter, if there is one.

    The switch is set before the limiter is told, a limiter reads it when it starts, and the run that starts one reads
    it again after that: no order of events loses a pause. A context manager.
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
        """Whether the account is paused, with or without a running limiter."""
        return self._switch.is_paused()

    def pause(self) -> bool:
        """Grant nothing until `resume`; returns whether a running limiter was told.

        Raises LimiterUnavailable where that cannot be found out; later limiters start paused all the same.
        """
        self._switch.pause()
        return self._tell(lambda limiter: limiter.pause(), "the pause holds all the same, for every limiter to come")

    def resume(self) -> bool:
        """Grant permits again; returns whether a running limiter was told.

        Raises LimiterUnavailable where that cannot be found out; later limiters start unpaused all the same.
        """
        self._switch.resume()
        return self._tell(lambda limiter: limiter.resume(), "limiters to come are not paused any more")

    def end_cooldown(self) -> float | None:
        """Send again although the broker refused; how many seconds were left of the cooldown, None if no limiter runs.

        A wait for lost evidence goes on.
        """
        limiter = self._find_limiter()
        return limiter.end_cooldown() if limiter else None

    def shutdown(self) -> bool:
        """End the limiter; False when none runs. Its jobs pause with the reason `limiter_unavailable`."""
        limiter = self._find_limiter()
        if limiter:
            limiter.shutdown()
        return limiter is not None

    def status(self) -> LimiterStatus | None:
        """The limiter at this moment; None when none runs."""
        limiter = self._find_limiter()
        return limiter.status() if limiter else None

    def _tell(self, order: Callable[[RunningLimiter], None], what_holds: str) -> bool:
        try:
            limiter = self._find_limiter()
            if limiter:
                order(limiter)
        except (LimiterUnavailable, ConnectionError) as error:
            raise LimiterUnavailable(f"{error}; {what_holds}") from error
        return limiter is not None
