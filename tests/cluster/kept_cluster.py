"""A Ray cluster that outlives the drivers which join it, kept by a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
KEEPER = """
import sys
from actors.cluster.session import RaySession
print(RaySession().connect('embedded'), flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class KeptCluster:
    """Where it is joined, and the process whose descendants its actors are."""

    address: str
    process_id: int


@contextmanager
def kept_cluster() -> Iterator[KeptCluster]:
    """Runs until the block ends; it ends with this process in any case, since the keeper's input does."""
    with subprocess.Popen(
        [sys.executable, "-c", KEEPER], cwd=TREE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as keeper:
        assert keeper.stdin is not None
        assert keeper.stdout is not None
        yield KeptCluster(keeper.stdout.readline().strip(), keeper.pid)
        keeper.stdin.close()
        keeper.wait(30)
