"""Gateways to brokers: one file per broker, and the HTTP they share."""
