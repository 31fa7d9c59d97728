"""The settings file that `candles init` writes: valid, commented, and quick to run."""

TEMPLATE = """\
# What `candles collect` does. Every key that is commented out shows its default.

[broker]
gateway = "binance"                      # public spot candles: no key is needed
# base_url = "https://api.binance.com"   # may point anywhere, e.g. at a test server
# account = "default"                    # whose limit it is: jobs of one account share one limiter
limits = ["15/1s", "6000w/60s"]          # every window holds; "w" counts weight. Left out: what the broker documents
# timeout_seconds = 10
# audit_days = 90                        # how long the log is kept that `candles audit` proves a run with

[job]
symbols = ["BTCUSDT", "ETHUSDT"]         # or symbols_file = "symbols.txt": one a line, # for comments
interval = "1h"
start = 2024-03-01T00:00:00Z             # with its zone, in quotes or not; a bare date is its midnight in UTC
end = 2024-04-01T00:00:00Z               # exclusive. Left out: up to the last bar that has closed
# workers take as many symbols at a time as suit the broker; batch_size says how many
# workers = 2
# concurrency = 4                        # symbols in flight per worker
# max_failures = "10%"                   # or a count of symbols
# on_too_many_failures = "pause"         # or "fail", for runs that nobody watches
# priority = "bulk"                      # or "interactive": served first beside other jobs of the account
# calendar = "24/7"                      # sessions in which bars are expected, like "XNYS"; more: calendar_overrides
# settle_seconds = 0                     # younger bars are provisional: requested again once they are older

[storage]
root = "candle-data"                     # absolute, or relative to this file
# events = "sqlite"                      # beside the candles, or a file: "sqlite:///data/jobs.sqlite"

[cluster]
# address = "embedded"                   # or "auto", "ray://head:10001": a Ray cluster that runs already
"""
