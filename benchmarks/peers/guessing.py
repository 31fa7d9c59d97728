"""`python -m benchmarks.peers.guessing`: how slow a limiter that hears of no arrival must go to be let through.

In no time and on paper: requests leave at a pace, or in bursts, each takes its way in at random, and the
server counts. Below the rate that comes out here, real races were tried: see `contestants.GUESSES`.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence

from adapters.simulator.arrivals import Arrival, held_at_each_arrival
from benchmarks.peers.networks import LIMIT, NETWORKS, Network

REQUESTS = 3000
TRIES = 50


def paced(rate: int) -> list[float]:
    """One after the other, all at the same distance."""
    return [number / rate for number in range(REQUESTS)]


def bursts(rate: int) -> list[float]:
    """As a sliding window lets them go: a window's worth at once, then nothing until the window is over."""
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
    """Print what each way of leaving comes to."""
    for pattern in (paced, bursts):
        sys.stdout.write(f"{pattern.__name__}: {highest_clean_rate(pattern)} of {LIMIT}\n")


if __name__ == "__main__":
    main()
