"""`python -m benchmarks [--quick]`: run them all, print the tables, write results.md and the picture."""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from benchmarks import collection, limiters, memory, rate_plot, shutdown
from benchmarks.storage import measurement as storage
from benchmarks.tables import Table

FOLDER = Path(__file__).parent
PLOT = "rate_against_limit.svg"
MIN_WIDTH = 130
PARTS = ("limiters", "collection", "storage", "memory", "shutdown")


def main() -> None:
    """Read the command line and run what it names; only a whole run is written down."""
    options = _parser().parse_args()
    console = Console(soft_wrap=False, width=max(MIN_WIDTH, Console().width))
    began_at = time.monotonic()
    tables = []
    for part in options.parts or PARTS:
        console.print(f"[dim]{part} ...[/dim]")
        table = _measure(part, options.quick)
        table.print(console)
        tables.append(table)
    if not options.quick and not options.parts:
        (FOLDER / "results.md").write_text(_document(tables, time.monotonic() - began_at), encoding="utf-8")
        console.print(f"written to {FOLDER / 'results.md'} and {FOLDER / PLOT}")


def _measure(part: str, quick: bool) -> Table:
    if part == "limiters":
        runs = limiters.measure(requests=60 if quick else 300)
        if not quick:
            rate_plot.draw([run for run in runs if run.network == "jittery"], FOLDER / PLOT)
        return limiters.table(runs)
    if part == "collection":
        return collection.measure(pages_per_symbol=1 if quick else 3)
    if part == "storage":
        return storage.measure(quick)[0]
    if part == "memory":
        return memory.measure([100, 500] if quick else [100, 1000, 5000])
    return shutdown.measure(repetitions=1 if quick else 3)


def _document(tables: Sequence[Table], seconds: float) -> str:
    libraries = ", ".join(f"{name} {version(name)}" for name in ("ray", "aiolimiter", "eventsourcing"))
    head = [
        "# Benchmark results",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {libraries}. `make bench` took {seconds / 60:.1f} minutes. "
        "The machine was shared: read the figures as ratios.",
        "",
    ]
    middle = [table.markdown() for table in tables]
    return "\n".join([*head, middle[0], f"![Requests in the last second]({PLOT})", "", *middle[1:]])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="only these; default: all")
    parser.add_argument("--quick", action="store_true", help="about two minutes, and nothing is written down")
    return parser


if __name__ == "__main__":
    main()
