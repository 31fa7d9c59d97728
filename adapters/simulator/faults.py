"""Scripted faults of requests, and the latency of the network."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum


class FaultKind(StrEnum):
    """What can go wrong with a request that arrived, or is about to."""

    SERVER_ERROR = "server_error"
    """503."""
    LOST = "lost"
    """The connection drops before the request arrives: it is not in the log."""
    DROPPED = "dropped"
    """It arrives, and the connection drops without an answer."""
    DROPPED_WHEN_KEPT_ALIVE = "dropped_when_kept_alive"
    """The same, but only on a connection that has carried a request before."""
    CLOSED_AFTERWARDS = "closed_afterwards"
    """It is answered well, then the connection drops without notice."""
    CUT_BODY = "cut_body"
    """Half of the promised bytes, then the connection drops."""
    TRUNCATED_JSON = "truncated_json"
    """A complete answer that holds half of the JSON."""
    OTHER_SHAPE = "other_shape"
    """Sound JSON that is not klines."""
    HUNG = "hung"
    """It arrives and is never answered."""
    HUNG_BODY = "hung_body"
    """Headers and half of the body, then nothing."""
    THROTTLED = "throttled"
    """429 with Retry-After, though no limit was broken."""
    BANNED = "banned"
    """418 with Retry-After."""
    REFUSED = "refused"
    """403."""
    REDIRECTED = "redirected"
    """302 to another place."""
    UNKNOWN_SYMBOL = "unknown_symbol"
    """400, code -1121."""
    FIRST_BARS = "first_bars"
    """200 with the first `bars` klines of the answer: silently truncated. With 0 an empty list."""
    LAST_BARS = "last_bars"
    """200 with the last `bars` klines of the answer."""
    LATE_BARS = "late_bars"
    """200 without the last `bars` klines: they have not been published yet."""


@dataclass(slots=True)
class Fault:
    """A kind of fault, for one symbol or for any, with a probability, at most `times` times (None: always).

    `bars` is for the kinds that leave bars out.
    """

    kind: FaultKind
    symbol: str | None = None
    probability: float = 1.0
    times: int | None = None
    bars: int = 0

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read "hung,symbol=SIM001,probability=0.5,times=2"; anything else raises ValueError."""
        kind, *options = text.split(",")
        fault = cls(FaultKind(kind))
        for option in options:
            name, _, value = option.partition("=")
            match name:
                case "symbol":
                    fault.symbol = value
                case "probability":
                    fault.probability = float(value)
                case "times":
                    fault.times = int(value)
                case "bars":
                    fault.bars = int(value)
                case _:
                    raise ValueError(
                        f"a fault has no {name!r}: write {kind},symbol=NAME,probability=0.1,times=2,bars=500"
                    )
        return fault


class FaultScript:
    """Chooses the fault of each request: the first that matches. Seeded."""

    def __init__(self, faults: Iterable[Fault] = (), seed: int = 0) -> None:
        self._faults = [replace(fault) for fault in faults]
        self._random = random.Random(seed)

    def next_for(self, symbol: str, is_kept_alive: bool) -> Fault | None:
        """The fault of this request, or None."""
        for fault in self._faults:
            if fault.symbol not in (None, symbol) or fault.times == 0:
                continue
            if fault.kind is FaultKind.DROPPED_WHEN_KEPT_ALIVE and not is_kept_alive:
                continue
            if self._random.random() >= fault.probability:
                continue
            if fault.times is not None:
                fault.times -= 1
            return fault
        return None


@dataclass(frozen=True, slots=True)
class Latency:
    """How long a request takes to arrive, and its answer to come back: each lognormal, `sigma` is its jitter.

    A share of the requests, `late_share`, takes `late_seconds` longer on the way in.
    """

    uplink_median_seconds: float = 0.010
    downlink_median_seconds: float = 0.010
    sigma: float = 0.5
    late_share: float = 0.0
    late_seconds: float = 0.0

    def uplink_seconds(self, source: random.Random) -> float:
        """A way in, drawn at random."""
        is_late = self.late_share > 0 and source.random() < self.late_share
        return self._draw(self.uplink_median_seconds, source) + (self.late_seconds if is_late else 0.0)

    def downlink_seconds(self, source: random.Random) -> float:
        """A way out, drawn at random."""
        return self._draw(self.downlink_median_seconds, source)

    def _draw(self, median_seconds: float, source: random.Random) -> float:
        return source.lognormvariate(math.log(median_seconds), self.sigma) if median_seconds > 0 else 0.0


NO_LATENCY = Latency(0.0, 0.0)
