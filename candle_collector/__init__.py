"""Candle Collector for programs: what is imported from outside."""
