"""How a worker collects a group of symbols: queries, checks, permits, counters."""
