"""Runs all the races and makes their tables and the picture."""

from __future__ import annotations

from pathlib import Path

from benchmarks.peers import picture, races, report
from benchmarks.peers.races import Lengths
from benchmarks.tables import Table

QUICK = Lengths(ours=204, guessed=104, others=104)


def measure(quick: bool, picture_path: Path) -> list[Table]:
    """Run everything, in about 13 minutes, or in two when quick; a quick run draws nothing."""
    outcomes = races.run(QUICK if quick else Lengths())
    if not quick:
        picture.draw(outcomes, picture_path)
    return report.tables(outcomes)
