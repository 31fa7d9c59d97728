"""Candles, what is known of them, and the rules by which they are believed."""
