"""Outcome: the result of one race; the counts of requests are the server's own."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adapters.simulator.arrivals import Arrival, held_at_each_arrival
from benchmarks.peers.clients import ClientCounters
from benchmarks.peers.contestants import Contestant
from benchmarks.peers.networks import LIMIT, Network
from domain.limits.rates import ideal_makespan_seconds

DISTORTED_SECONDS = 0.05
"""A server that was later than this with one request in a hundred lacked the processor: the race proves little."""


@dataclass(frozen=True)
class Outcome:
    """One contestant on one network; `makespan_seconds` is from the first call for a permit to the last answer."""

    contestant: Contestant
    network: Network
    processes: int
    requests: int
    violations: int
    most_in_window: int
    makespan_seconds: float
    mean_call_seconds: float
    fairness: float
    """Jain's index over the slots: 1 if all were served alike, 1/n if only one of n was served."""
    longest_wait: float
    """The longest wait for a permit as a multiple of the mean."""
    server_lag_seconds: float
    """The 99th percentile of how late the server noticed an arrival."""
    client_lag_seconds: float
    """The 99th percentile of how late the clients' event loops were."""
    promises_broken: int
    """Requests that took longer than `uplink_seconds` on the way in, including the server's own lateness."""
    violations_if_kept: int
    """How many violations there would have been if these had arrived just in time."""
    arrivals_seconds: Sequence[float]

    @property
    def ideal_seconds(self) -> float:
        """The least time for this many requests without trusting the network, at this race's own mean call."""
        return ideal_makespan_seconds(self.requests, LIMIT, self.mean_call_seconds)

    @property
    def above_ideal(self) -> float:
        return self.makespan_seconds / self.ideal_seconds - 1

    @property
    def is_distorted(self) -> bool:
        return max(self.server_lag_seconds, self.client_lag_seconds) > DISTORTED_SECONDS


def outcome(
    contestant: Contestant,
    network: Network,
    all_counters: Sequence[ClientCounters],
    report: dict[str, Any],
    arrivals: Sequence[dict[str, Any]],
) -> Outcome:
    """The outcome from the counts of the clients and the server."""
    waits = [seconds for counters in all_counters for seconds in counters.waited_seconds]
    moments = [arrival["at_seconds"] for arrival in arrivals]
    promises = _promised_seconds(contestant, network, all_counters, arrivals)
    return Outcome(
        contestant=contestant,
        network=network,
        processes=len(all_counters),
        requests=report["requests"],
        violations=report["violations"],
        most_in_window=report["most_in_window"][str(LIMIT)],
        makespan_seconds=max(counters.ended_at for counters in all_counters)
        - min(counters.began_at for counters in all_counters),
        mean_call_seconds=statistics.fmean(seconds for counters in all_counters for seconds in counters.call_seconds),
        fairness=_fairness(all_counters),
        longest_wait=max(waits) / statistics.fmean(waits),
        server_lag_seconds=_percentile_99([arrival["lag_seconds"] for arrival in arrivals]),
        client_lag_seconds=_percentile_99([seconds for counters in all_counters for seconds in counters.lag_seconds]),
        promises_broken=sum(arrived > promised for arrived, promised in zip(moments, promises, strict=True)),
        violations_if_kept=_violations(map(min, moments, promises)),
        arrivals_seconds=[moment - moments[0] for moment in moments],
    )


def _fairness(all_counters: Sequence[ClientCounters]) -> float:
    """Jain's index over the permits of each slot when the first process ran out of requests."""
    until = min(max(moment for slot in counters.slots for moment in slot) for counters in all_counters)
    served = np.array([sum(moment <= until for moment in slot) for counters in all_counters for slot in counters.slots])
    return float(served.sum() ** 2 / (len(served) * (served**2).sum()))


def _promised_seconds(
    contestant: Contestant, network: Network, all_counters: Sequence[ClientCounters], arrivals: Sequence[dict[str, Any]]
) -> list[float]:
    """The latest arrival of each request by `uplink_seconds`, on the machine's monotonic clock that all share."""
    if not contestant.has_uplink_seconds or network.uplink_seconds is None:
        return [math.inf] * len(arrivals)
    sent_at = {symbol: moment for counters in all_counters for symbol, moment in counters.sent_at.items()}
    return [sent_at[arrival["symbol"]] + network.uplink_seconds for arrival in arrivals]


def _violations(moments: Iterable[float]) -> int:
    arrivals = [Arrival(moment, "", "", 1, "") for moment in sorted(moments)]
    return int((held_at_each_arrival(arrivals, LIMIT) > LIMIT.amount).sum())


def _percentile_99(seconds: Sequence[float]) -> float:
    return float(np.percentile(seconds, 99))
