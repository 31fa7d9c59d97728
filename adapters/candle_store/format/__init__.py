"""The candle file format; `segment` puts its parts together."""
