"""`python -m benchmarks.crashes`: the whole crash matrix, a row of counts for every scenario.

Minutes long, so not among the parts of `python -m benchmarks`. `--log` keeps a line for every trial, and
a row of the table counts all lines of its scenario: the matrix can be run in slices.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.tables import Table
from tests.cluster.crash_matrix import MOST_IN_FLIGHT
from tests.cluster.crash_mishaps import NotPermitted
from tests.cluster.crash_scenarios import SCENARIOS
from tests.cluster.crash_verdict import Verdict
from tests.cluster.kept_cluster import KeptCluster, kept_cluster
from tests.interrupts import restore_ctrl_c

COLUMNS = (
    "scenario", "trials", "kills", "stops", "requests", "repeats", "allowed", "violations", "candles compared",
    "candles counted", "wrong",
)  # fmt: skip
NOTE = (
    "Each trial: 12 symbols of 5 pages, 30 requests per 3 s, 2 workers with 3 symbols in flight each, resumed until "
    "COMPLETED. stops: runs that ended by themselves before that. allowed: pages in flight at the kills and stops "
    f"(3 for a worker, 0 for the limiter, {MOST_IN_FLIGHT} for all others) and the answers that the exchange damaged. "
    "Every candle is compared with the exchange's own, bit by bit, with its coverage and the events. Counted: by the "
    "job's own summary, which lacks live counts that a coordinator had not recorded when it was killed."
)


def main() -> None:
    """Run the chosen scenarios with the chosen seeds; exit code 1 when any verdict finds a problem."""
    restore_ctrl_c()
    options = _parser().parse_args()
    console = Console(soft_wrap=False, width=max(150, Console().width))
    lines = [json.loads(line) for line in options.log.read_text().splitlines()] if options.log.exists() else []
    with kept_cluster() if options.cluster else nullcontext() as cluster:
        for seed in options.seeds:
            for name in options.only or SCENARIOS:
                line = _play(name, seed, cluster)
                lines.append(line)
                console.print(line)
                with options.log.open("a") as log:
                    log.write(json.dumps(line) + "\n")
    table = _table(lines)
    table.print(console)
    options.log.with_suffix(".md").write_text(table.markdown(), encoding="utf-8")
    raise SystemExit(any(line["problems"] for line in lines))


def _play(name: str, seed: int, cluster: KeptCluster | None) -> dict[str, Any]:
    if cluster and SCENARIOS[name].has_clock:
        return {"scenario": name, "seed": seed, "skipped": "the cluster's processes have another clock", "problems": []}
    with tempfile.TemporaryDirectory(prefix="candles-crash-") as folder:
        try:
            return _counts(name, seed, SCENARIOS[name].judge(name, seed, Path(folder), cluster))
        except NotPermitted as error:
            return {"scenario": name, "seed": seed, "skipped": str(error), "problems": []}
        except (AssertionError, subprocess.TimeoutExpired) as error:
            return {"scenario": name, "seed": seed, "problems": [f"{type(error).__name__}: {error}"]}


def _counts(name: str, seed: int, verdict: Verdict) -> dict[str, Any]:
    run = verdict.run
    return {
        "scenario": name,
        "seed": seed,
        "kills": len(run.kills),
        "stops": len(run.driver.stops),
        "requests": len(verdict.arrivals),
        "repeats": verdict.repeats,
        "allowed": run.repeatable_pages + verdict.faulty_answers,
        "violations": verdict.report["violations"],
        "candles compared": verdict.candles_compared,
        "candles counted": sum(job["candles_saved"] for job in verdict.jobs),
        "seconds": round(run.seconds, 1),
        "victims": [victim.value for victim in run.kills],
        "said": [stop[-200:] for stop in run.driver.stops],
        "problems": verdict.problems,
    }


def _table(lines: Sequence[dict[str, Any]]) -> Table:
    rows = []
    for name in [*SCENARIOS, ""]:
        chosen = [line for line in lines if name in ("", line["scenario"]) and "skipped" not in line]
        if chosen:
            sums = [f"{sum(line.get(column, 0) for line in chosen):,}" for column in COLUMNS[2:-1]]
            wrong = sum(bool(line["problems"]) for line in chosen)
            rows.append((name or "all", str(len(chosen)), *sums, str(wrong)))
    return Table("Crash matrix", COLUMNS, rows, NOTE)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crashes", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(SCENARIOS), help="only these scenarios")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1], help="one trial of each scenario for each")
    parser.add_argument("--cluster", action="store_true", help="in one Ray cluster; default: each driver has its own")
    parser.add_argument("--log", type=Path, default=Path("crashes.jsonl"), help="a line for every trial")
    return parser


if __name__ == "__main__":
    main()
