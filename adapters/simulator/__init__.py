"""A simulated exchange on loopback: Binance's dialect, true sliding windows, and a log of every arrival."""

from __future__ import annotations

from adapters.simulator.exchange import SimulatedExchange
from adapters.simulator.faults import NO_LATENCY, Fault, FaultKind, Latency
from adapters.simulator.process import SimulatorProcess

__all__ = ["NO_LATENCY", "Fault", "FaultKind", "Latency", "SimulatedExchange", "SimulatorProcess"]
