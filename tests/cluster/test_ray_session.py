"""What keeps a process from reaching Ray is said at once, in one sentence."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from actors.cluster.session import RaySession
from tests.cluster.collection_bench import TREE

IMPORTED_TOO_EARLY = """
import ray
from actors.cluster.session import RaySession
RaySession().connect("embedded")
"""


def test_ray_imported_too_early_is_refused_before_anything_starts() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    run = subprocess.run(
        [sys.executable, "-c", IMPORTED_TOO_EARLY], cwd=TREE, env=environment, capture_output=True, text=True
    )
    assert run.returncode == 1
    assert "SettingsError: ray was imported before" in run.stderr.splitlines()[-1]


def test_a_cluster_that_is_not_there_is_reported_at_once() -> None:
    with pytest.raises(ConnectionError, match=r"no Ray cluster answers at 127\.0\.0\.1:9"):
        RaySession().connect("127.0.0.1:9")
