"""LimiterOperator: what an operator can have done with a broker account, from any terminal of the machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from domain.errors import LimiterUnavailable
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
        """Let nothing be granted until `resume`; whether a limiter runs that heard of it.

        Raises LimiterUnavailable where that cannot be found out: it holds for those to come all the same.
        """
        self._switch.pause()
        return self._tell(lambda limiter: limiter.pause(), "the pause holds all the same, for every limiter to come")

    def resume(self) -> bool:
        """Let permits be granted again; whether a limiter runs that heard of it.

        Raises LimiterUnavailable where that cannot be found out: those to come are not paused all the same.
        """
        self._switch.resume()
        return self._tell(lambda limiter: limiter.resume(), "limiters to come are not paused any more")

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

    def _tell(self, order: Callable[[RunningLimiter], None], what_holds: str) -> bool:
        try:
            limiter = self._find_limiter()
            if limiter:
                order(limiter)
        except (LimiterUnavailable, ConnectionError) as error:
            raise LimiterUnavailable(f"{error}; {what_holds}") from error
        return limiter is not None
