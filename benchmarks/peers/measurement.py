"""Run all the races, and what comes of them: tables and a picture."""

from __future__ import annotations

from pathlib import Path

from benchmarks.peers import picture, races, report
from benchmarks.peers.races import Lengths
from benchmarks.tables import Table

QUICK = Lengths(ours=204, guessed=104, others=104)


def measure(quick: bool, picture_path: Path) -> list[Table]:
    """About 13 minutes, or two when quick; then nothing is drawn."""
    outcomes = races.run(QUICK if quick else Lengths())
    if not quick:
        picture.draw(outcomes, picture_path)
    return report.tables(outcomes)
