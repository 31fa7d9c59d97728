"""`python -m benchmarks.peers.guessing`: how slow a limiter that learns of no arrival must be to see no refusal.

A calculation without a network: requests leave evenly, or in bursts, each has a random latency, and the server counts.
Real races were then run below the rates found here: see `contestants.GUESSES`.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence

from adapters.simulator.arrivals import Arrival, held_at_each_arrival
from benchmarks.peers.networks import LIMIT, NETWORKS, Network

REQUESTS = 3000
TRIES = 50


def evenly(rate: int) -> list[float]:
    """Departures at equal distances."""
    return [number / rate for number in range(REQUESTS)]


def bursts(rate: int) -> list[float]:
    """Departures as a sliding window allows them: a whole window at once, then nothing until it is over."""
    return [float(number // rate) for number in range(REQUESTS)]


def share_of_clean_runs(departures: Sequence[float], network: Network) -> float:
    """How many of the tries had no violation."""
    clean = 0
    for seed in range(TRIES):
        source = random.Random(seed)
        moments = sorted(left_at + network.latency.uplink_seconds(source) for left_at in departures)
        arrivals = [Arrival(moment, "", "", 1, "") for moment in moments]
        clean += bool((held_at_each_arrival(arrivals, LIMIT) <= LIMIT.amount).all())
    return clean / TRIES


def highest_clean_rate(pattern: Callable[[int], list[float]]) -> int:
    """The highest whole rate a second at which every try on every network was clean."""
    return next(
        rate
        for rate in range(LIMIT.amount, 0, -1)
        if all(share_of_clean_runs(pattern(rate), network) == 1 for network in reversed(NETWORKS))
    )


def main() -> None:
    """Print the highest clean rate of each pattern."""
    for pattern in (evenly, bursts):
        sys.stdout.write(f"{pattern.__name__}: {highest_clean_rate(pattern)} of {LIMIT}\n")


if __name__ == "__main__":
    main()
