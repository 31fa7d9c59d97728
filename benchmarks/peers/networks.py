"""The limit and the networks of the races."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.simulator import Latency
from domain.limits.rates import RateLimit

LIMIT = RateLimit.parse("50/1s")


@dataclass(frozen=True, slots=True)
class Network:
    """A network between the clients and the exchange."""

    name: str
    description: str
    latency: Latency
    uplink_seconds: float | None = None
    """The `uplink_seconds` of a person who knows this network: no request takes longer on the way in."""

    @property
    def exchange_options(self) -> list[str]:
        """The options with which the simulated exchange has this network."""
        latency = self.latency
        options = {
            "--limits": LIMIT,
            "--uplink-ms": 1000 * latency.uplink_median_seconds,
            "--downlink-ms": 1000 * latency.downlink_median_seconds,
            "--jitter": latency.sigma,
            "--late-share": latency.late_share,
            "--late-ms": 1000 * latency.late_seconds,
        }
        return [str(word) for option in options.items() for word in option]


CALM = Network(
    "calm",
    "25 ms each way with hardly any jitter (lognormal, sigma 0.1)",
    Latency(0.025, 0.025, 0.1),
    uplink_seconds=0.100,
)
JITTER = Network(
    "jitter",
    "lognormal with sigma 1, median 50 ms on the way in and 10 ms out",
    Latency(0.050, 0.010, 1.0),
)
NASTY = Network(
    "nasty",
    "calm, but 5 % of the requests are 400 ms late on the way in",
    Latency(0.025, 0.025, 0.1, late_share=0.05, late_seconds=0.4),
)
NETWORKS = (CALM, JITTER, NASTY)
