"""The parts of the candle file format; `adapters.candle_segments` puts them together."""
