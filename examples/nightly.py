"""A nightly job without a settings file, for cron or a systemd timer: python examples/nightly.py ROOT SYMBOL...

It collects up to the last bar that has closed: each night only what is new. On Ctrl-C or SIGTERM it pauses within a
second (exit code 3), and the next run continues from there.
"""

import signal
import sys

from candle_collector import CollectionService, Progress, Settings, run_driver, summary


def collect() -> Progress:
    root, *symbols = sys.argv[1:] or ["candle-data", "BTCUSDT", "ETHUSDT"]
    settings = Settings.from_values(
        {
            "broker": {"gateway": "binance", "limits": ["15/1s", "6000w/60s"]},
            "job": {"symbols": symbols, "interval": "1h", "start": "2024-01-01", "on_too_many_failures": "fail"},
            "storage": {"root": root},
        }
    )
    with CollectionService(settings) as service:
        job = service.submit()
        # Only now: until there is a job, there is nothing to pause.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            progress = job.wait()
        except KeyboardInterrupt:
            progress = job.shutdown()
    print("\n".join(summary(progress)))
    return progress


if __name__ == "__main__":
    sys.exit(run_driver(collect))
