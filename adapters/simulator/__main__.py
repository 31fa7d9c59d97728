"""`python -m adapters.simulator`: runs the exchange, and prints its base_url as one JSON line."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys

from adapters.simulator.exchange import DEFAULT_LIMITS, SimulatedExchange
from adapters.simulator.faults import Fault, Latency


def main() -> None:
    """Read the command line and serve until SIGINT, SIGTERM or the end of standard input."""
    options = _parser().parse_args()
    asyncio.run(_serve(options))


async def _serve(options: argparse.Namespace) -> None:
    exchange = SimulatedExchange(
        limits=options.limits,
        latency=Latency(
            options.uplink_ms / 1000,
            options.downlink_ms / 1000,
            options.jitter,
            options.late_share,
            options.late_ms / 1000,
        ),
        faults=options.fault,
        unknown_symbols=options.unknown,
        seed=options.seed,
        port=options.port,
        days_of=options.days_of,
    )
    stop = asyncio.Event()
    # A script's shell starts background jobs with SIGINT ignored, because Ctrl-C is not for them.
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            continue
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with exchange:
        sys.stdout.write(json.dumps({"base_url": exchange.base_url}) + "\n")
        sys.stdout.flush()
        async with contextlib.AsyncExitStack() as stack:
            if options.until_stdin_closes:
                watcher = asyncio.create_task(_wait_for_end_of_input(stop))
                stack.callback(watcher.cancel)
            await stop.wait()


async def _wait_for_end_of_input(stop: asyncio.Event) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(1024):
        pass
    stop.set()


def _parser() -> argparse.ArgumentParser:
    calm = Latency()
    parser = argparse.ArgumentParser(prog="python -m adapters.simulator", description=__doc__)
    add = parser.add_argument
    add("--port", type=int, default=0, help="0: any free one")
    add("--limits", nargs="+", default=list(DEFAULT_LIMITS), help='such as "15/1s" or "6000w/60s"')
    add("--uplink-ms", type=float, default=calm.uplink_median_seconds * 1000, help="median way in")
    add("--downlink-ms", type=float, default=calm.downlink_median_seconds * 1000, help="median way out")
    add("--jitter", type=float, default=calm.sigma, help="sigma of the lognormal latency")
    add(
        "--late-share", type=float, default=calm.late_share, help="share of requests that take --late-ms longer, 0 to 1"
    )
    add("--late-ms", type=float, default=calm.late_seconds * 1000, help="how much longer these take on the way in")
    add(
        "--fault",
        type=Fault.parse,
        action="append",
        default=[],
        help="KIND,symbol=NAME,probability=0.1,times=2,bars=500",
    )
    add("--unknown", nargs="+", default=[], help="symbols that are not listed")
    add("--days-of", help="generated symbols have daily candles on the days of this recorded one only")
    add("--seed", type=int, default=0)
    add("--until-stdin-closes", action="store_true", help="end when standard input does")
    return parser


if __name__ == "__main__":
    main()
