"""What is stored under a folder, and the last bars of each symbol: python examples/read_candles.py [ROOT]."""

import sys

from candle_collector import CandleReader, CollectorError, ExitCode


def show(root: str) -> None:
    reader = CandleReader(root)
    for holding in reader.holdings():
        print(f"{holding.symbol} {holding.interval}: {holding.bars:,} bars, {holding.bars_missing:,} missing")
        frame = reader.to_pandas(holding.symbol, holding.interval, broker=holding.broker)
        print(frame[["timestamp", "open", "high", "low", "close", "volume"]].tail(3).to_string(index=False))


if __name__ == "__main__":
    try:
        show(sys.argv[1] if len(sys.argv) > 1 else "examples/candle-data")
    except CollectorError as error:
        print(error, file=sys.stderr)
        sys.exit(ExitCode.of(error))
