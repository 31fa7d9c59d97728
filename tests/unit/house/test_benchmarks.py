"""The benchmarks begin: each part is there, and nothing imports Ray before it is set up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TREE = Path(__file__).resolve().parents[3]


def test_every_part_of_the_benchmarks_is_imported_and_none_of_them_imports_ray() -> None:
    code = "import sys, benchmarks.__main__; sys.exit('ray' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], cwd=TREE, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
