"""The races: every contestant on every network, from one process and from four, some at the same time."""

from __future__ import annotations

import queue
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from actors.cluster.session import RaySession
from actors.rate_limiter import RateLimiter
from actors.wiring import simulated_exchange
from adapters.simulator import SimulatorProcess
from benchmarks.peers.clients import ClientProcess, Errand
from benchmarks.peers.contestants import OURS, OURS_WITH_UPLINK, Contestant, Role, guessed, peers
from benchmarks.peers.libraries import Place
from benchmarks.peers.networks import LIMIT, NETWORKS, Network
from benchmarks.peers.outcomes import Outcome, outcome
from benchmarks.peers.redis_server import redis_server
from domain.limits.rates import AccountLimits

if TYPE_CHECKING:
    from actors.cluster.builders import LimiterBuilder

PROCESSES = (1, 4)
SLOTS = 12
"""Requests waiting or in flight, over all processes."""
AT_ONCE = 5
"""How many races two cores carry at the same time, each with an exchange of its own."""
TIMEOUT_SECONDS = 10.0
START_SECONDS = 0.5
LIMITER_OPTIONS: dict[str, Any] = {"num_cpus": 0, "max_concurrency": 10_000}


@dataclass(frozen=True, slots=True)
class Lengths:
    """How many requests a race has: many for ours, which has to show no violation, and few for the others.

    Each is four more than whole windows: at whole windows bursts would be a window ahead of evenly sent requests, only
    because the count stops there.
    """

    ours: int = 3004
    guessed: int = 1004
    others: int = 504

    def of(self, contestant: Contestant) -> int:
        return {Role.OURS: self.ours, Role.GUESSED: self.guessed}.get(contestant.role, self.others)


def run(lengths: Lengths, networks: Sequence[Network] = NETWORKS, library: str = "") -> list[Outcome]:
    """All the races; with a `library`, only its own."""
    session = RaySession()
    session.connect("embedded")
    try:
        with redis_server() as redis_port, tempfile.TemporaryDirectory(prefix="candles-races-") as folder:
            track = Track(redis_port, Path(folder), lengths)
            return [
                result
                for processes in PROCESSES
                for network in networks
                for result in track.race(_contestants(network, library), network, processes)
            ]
    finally:
        session.close()


def _contestants(network: Network, library: str) -> list[Contestant]:
    ours = [OURS, OURS_WITH_UPLINK] if network.uplink_seconds else [OURS]
    # The long ones first: the short ones fill the rest of the time.
    return [contestant for contestant in (*ours, *guessed(), *peers()) if library in contestant.library]


class Track:
    """The client processes, a team for each of the races that run at the same time."""

    def __init__(self, redis_port: int, folder: Path, lengths: Lengths) -> None:
        import ray

        self._redis_port, self._folder, self._lengths = redis_port, folder, lengths
        client_class: Any = ray.remote(ClientProcess).options(num_cpus=0)
        teams = [[client_class.remote() for _ in range(max(PROCESSES))] for _ in range(AT_ONCE)]
        ray.get([client.ready.remote() for team in teams for client in team])
        self._teams: queue.SimpleQueue[list[Any]] = queue.SimpleQueue()
        for team in teams:
            self._teams.put(team)

    def race(self, contestants: Sequence[Contestant], network: Network, processes: int) -> list[Outcome]:
        """Each contestant against an exchange of its own."""
        with ExitStack() as stack, ThreadPoolExecutor(AT_ONCE) as pool:
            # Start all of them first: starting one takes the processor from those that run.
            exchanges = [stack.enter_context(simulated_exchange(network.exchange_options)) for _ in contestants]
            return list(
                pool.map(
                    lambda contestant, exchange: self._run(contestant, network, processes, exchange),
                    contestants,
                    exchanges,
                )
            )

    def _run(self, contestant: Contestant, network: Network, processes: int, exchange: SimulatorProcess) -> Outcome:
        team = self._teams.get()
        try:
            all_counters = self._send(contestant, network, team[:processes], exchange.base_url)
        finally:
            self._teams.put(team)
        return outcome(contestant, network, all_counters, exchange.report(), exchange.arrivals())

    def _send(self, contestant: Contestant, network: Network, clients: list[Any], base_url: str) -> Any:
        import ray

        from actors.cluster.builders import LimiterBuilder

        processes, key = len(clients), uuid4().hex
        limits = _account(contestant, network, key)
        builder = LimiterBuilder(limits, self._folder, "the benchmark", session=key)
        with _limiter_actor(contestant, builder, processes) as actor:
            errand = Errand(
                contestant=contestant,
                place=Place(processes, self._redis_port, key),
                builder=builder,
                base_url=base_url,
                requests=self._lengths.of(contestant) // processes,
                slots=SLOTS // processes,
                start_at=time.monotonic() + START_SECONDS,
                actor=actor,
            )
            return ray.get([client.run.remote(replace(errand, number=number)) for number, client in enumerate(clients)])


@contextmanager
def _limiter_actor(contestant: Contestant, builder: LimiterBuilder, processes: int) -> Iterator[Any]:
    """Our limiter as it runs in a cluster; None for one process, and for the others."""
    if contestant.role is not Role.OURS or processes == 1:
        yield None
        return
    import ray

    from actors.cluster.builders import as_actor

    actor = as_actor(RateLimiter, **LIMITER_OPTIONS).remote(builder)
    try:
        ray.get(actor.status.remote())
        yield actor
    finally:
        ray.kill(actor)


def _account(contestant: Contestant, network: Network, key: str) -> AccountLimits:
    return AccountLimits(
        "benchmark",
        key,
        (LIMIT,),
        timeout_seconds=TIMEOUT_SECONDS,
        abandoned_seconds=TIMEOUT_SECONDS,
        uplink_seconds=network.uplink_seconds if contestant.has_uplink_seconds else None,
    )
