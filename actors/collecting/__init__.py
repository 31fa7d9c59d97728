"""How a worker collects one symbol: its pages, their checks, the counters."""
