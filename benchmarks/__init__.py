"""Measurements of Candle Collector's cost, speed and guarantees: `python -m benchmarks`."""
