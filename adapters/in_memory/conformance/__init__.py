"""The conformance suite: checks that every gateway has to pass. `candle_collector.testing` makes it public."""
