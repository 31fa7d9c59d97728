"""The rules of candle collection: no I/O, no asyncio, no clock, no Ray."""
