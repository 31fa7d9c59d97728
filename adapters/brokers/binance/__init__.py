"""Binance's public spot candles."""
