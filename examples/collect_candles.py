"""What `candles collect candles.toml` does, as a driver script: python examples/collect_candles.py [FILE].

It exits with the command's codes. Ctrl-C ends it at once, and the next run continues from what is stored; nightly.py
shows how to pause instead.
"""

import sys

from candle_collector import CollectionService, Progress, Settings, progress_line, run_driver, summary


def collect() -> Progress:
    path = sys.argv[1] if len(sys.argv) > 1 else "examples/candles.toml"
    with CollectionService(Settings.load(path)) as service:
        for progress in service.submit().watch():
            print(progress_line(progress))
    print("\n".join(summary(progress)))
    return progress


if __name__ == "__main__":
    sys.exit(run_driver(collect))
