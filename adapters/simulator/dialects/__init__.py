"""The dialects of the simulated exchange, one file a broker."""
