"""What a process loads is what it uses: an actor's start waits for every import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TREE = Path(__file__).resolve().parents[3]


def test_no_actor_loads_the_server_for_tests() -> None:
    code = "import sys, actors.wiring; sys.exit('adapters.simulator' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=TREE, check=False).returncode == 0
