"""Candles on a file system: where they lie, who may write, and how they are read."""
