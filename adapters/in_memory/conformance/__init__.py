"""The conformance suite: what every gateway is held to. `candle_collector.testing` is its public face."""
