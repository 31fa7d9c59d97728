"""What Candle Collector costs and how well it keeps its promises, measured: `python -m benchmarks`."""
