"""Brokers: the gateway's port, and the values that pass through it."""
