"""Whole objects under keys, replaced only by who has seen the version replaced: what a candle store stands on."""
