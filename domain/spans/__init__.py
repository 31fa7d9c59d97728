"""Stretches of UTC time, and sets of them."""
