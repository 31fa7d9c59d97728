"""Two runs in two terminals on one account, each with a Ray of its own."""

from __future__ import annotations

import os
import signal

from tests.cluster.collection_bench import until
from tests.cluster.conftest import Benches


def test_of_two_runs_started_together_one_is_refused_and_the_other_keeps_the_limit(embedded: Benches) -> None:
    bench = embedded("--limits", "30/5s")
    settings = [
        bench.configure(symbols=count, name=name, root=name, limits=["30/5s"], timeout_seconds=2)
        for count, name in ((400, "one"), (401, "two"))
    ]
    runs = [bench.start("collect", str(path)) for path in settings]
    until(lambda: any(run.poll() is not None for run in runs), "one of them has given up")
    refused, holder = sorted(runs, key=lambda run: run.poll() is None)
    _, err = refused.communicate(timeout=30)
    assert refused.returncode == 1
    (sentence,) = err.splitlines()
    assert f"in use by process {holder.pid} on " in sentence

    bench.until_requests(40)
    assert holder.poll() is None, "the one that has the account never noticed"
    os.killpg(holder.pid, signal.SIGINT)
    holder.communicate(timeout=30)
    bench.assert_limit_kept()
