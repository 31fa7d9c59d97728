"""Stored candles for people and their tools: tables, exports, a Parquet mirror."""
