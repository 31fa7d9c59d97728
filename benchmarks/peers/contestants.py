"""The contestants: our limiter, and every library in its usual and its most careful setting."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

from benchmarks.peers import libraries
from benchmarks.peers.libraries import Place, Take
from benchmarks.peers.networks import LIMIT


class Role(StrEnum):
    """Why a setting is measured."""

    OURS = "ours"
    USUAL = "usual"
    """At the full limit, as the library's documentation begins."""
    CAREFUL = "careful"
    """At the full limit, in the smoothest way the library has: no bursts."""
    GUESSED = "guessed"
    """Below the limit, at the highest rate that showed no violation on any of the networks."""


@dataclass(frozen=True)
class Contestant:
    """A limiter in one setting; `opens` is None for ours."""

    library: str
    setting: str
    role: Role
    sharing: str
    """How four processes share the limit."""
    opens: Callable[[Place], AbstractAsyncContextManager[Take]] | None = field(default=None, compare=False)
    has_uplink_seconds: bool = False

    def __str__(self) -> str:
        return f"{self.library} {self.setting}".strip()


OWN_PART, REDIS, ACTOR = "a part each", "Redis", "an actor"

OURS = Contestant("RateLimiter", "", Role.OURS, ACTOR)
OURS_WITH_UPLINK = Contestant("RateLimiter", "with uplink_seconds", Role.OURS, ACTOR, has_uplink_seconds=True)

GUESSES = {"aiolimiter": 40, "ccxt": 40, "limits": 25, "pyrate-limiter": 40, "throttled-py": 40}
"""Requests a second, found by `benchmarks.peers.guessing` and by trying.

`limits` lets a whole window go at once: when one burst is delayed and the next is not, both arrive in one window, so
only half the limit is safe.
"""


def peers(amount: int = LIMIT.amount) -> list[Contestant]:
    """The other libraries at the full limit, `amount` a second."""
    return [
        Contestant(
            "aiolimiter", f"AsyncLimiter({amount}, 1)", Role.USUAL, OWN_PART,
            partial(libraries.aiolimiter, amount=amount, seconds=1.0),
        ),
        careful("aiolimiter", amount),
        Contestant(
            "pyrate-limiter", f"Rate({amount}, SECOND)", Role.USUAL, REDIS,
            partial(libraries.pyrate_window, amount=amount, milliseconds=1000),
        ),
        careful("pyrate-limiter", amount),
        careful("limits", amount),
        Contestant(
            "throttled-py", f"token bucket, {amount}/s", Role.USUAL, REDIS,
            partial(libraries.throttled_bucket, amount=amount),
        ),
        careful("throttled-py", amount),
        Contestant(
            "ccxt", f"rolling window, {amount}/s", Role.USUAL, OWN_PART,
            partial(libraries.ccxt, requests_per_second=amount, window_seconds=1.0),
        ),
        careful("ccxt", amount),
    ]  # fmt: skip


def guessed() -> list[Contestant]:
    """Every library again, slow enough for all the networks."""
    return [careful(library, rate, Role.GUESSED) for library, rate in GUESSES.items()]


def careful(library: str, rate: int, role: Role = Role.CAREFUL) -> Contestant:
    """The library in its most careful setting at that many requests a second."""
    match library:
        case "aiolimiter":
            opens, setting = partial(libraries.aiolimiter, amount=1, seconds=1 / rate), f"AsyncLimiter(1, 1/{rate})"
        case "ccxt":
            opens, setting = partial(libraries.ccxt, requests_per_second=rate), f"leaky bucket, {rate}/s"
        case "pyrate-limiter":
            opens, setting = (
                partial(libraries.pyrate_smooth, amount=rate, milliseconds=1000),
                f"GCRA, {rate}/s, burst 1",
            )
        case "throttled-py":
            opens, setting = partial(libraries.throttled_smooth, amount=rate), f"GCRA, {rate}/s, burst 1"
        case "limits":
            opens, setting = partial(libraries.limits, amount=rate), f"moving window, {rate}/s"
        case _:
            raise ValueError(f"no such library: {library}")
    sharing = OWN_PART if library in ("aiolimiter", "ccxt") else REDIS
    return Contestant(library, setting, role, sharing, opens)
