"""`python -m benchmarks [--quick] [PART ...]`: print the tables, write results.md and the picture."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from benchmarks import (
    collection,
    events,
    forecast,
    memory,
    permit_bundles,
    persistence,
    reading,
    recovery,
    results,
    shutdown,
    validation,
)
from benchmarks.peers import measurement as peers
from benchmarks.storage import measurement as storage
from benchmarks.tables import Table

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.md"
PICTURES = {"peers": "rate_against_limit.svg"}
MIN_WIDTH = 170

PARTS: dict[str, Callable[[bool], list[Table]]] = {
    "peers": lambda quick: peers.measure(quick, FOLDER / PICTURES["peers"]),
    "bundles": lambda quick: [permit_bundles.measure(seconds=1.5 if quick else 4, repetitions=2 if quick else 3)],
    "collection": lambda quick: [collection.measure(pages_per_symbol=1 if quick else 3)],
    "persistence": lambda quick: [persistence.measure(permits=2_000 if quick else 20_000)],
    "recovery": lambda quick: [recovery.measure(quick)],
    "forecast": lambda quick: [forecast.measure(quick)],
    "events": lambda quick: [events.measure([100, 1000] if quick else [100, 1000, 10_000, 100_000])],
    "storage": storage.measure,
    "reading": lambda quick: [reading.measure(rounds=5 if quick else 15)],
    "validation": lambda quick: [validation.measure(seconds=0.5 if quick else 3)],
    "memory": lambda quick: [memory.measure([100, 500] if quick else [100, 1000, 5000])],
    "shutdown": lambda quick: [shutdown.measure(repetitions=1 if quick else 3)],
}


def main() -> None:
    """Read the command line and run the named parts; quick runs are not saved."""
    options = _parser().parse_args()
    console = Console(soft_wrap=False, width=max(MIN_WIDTH, Console().width))
    for part in options.parts or PARTS:
        console.print(f"[dim]{part} ...[/dim]")
        began_at = time.monotonic()
        tables = PARTS[part](options.quick)
        for table in tables:
            table.print(console)
        if not options.quick:
            results.write(RESULTS, part, tables, time.monotonic() - began_at, PARTS, PICTURES.get(part, ""))
            console.print(f"written to {RESULTS}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="only these; default: all")
    parser.add_argument("--quick", action="store_true", help="a few minutes for all, and nothing is saved")
    return parser


if __name__ == "__main__":
    main()
