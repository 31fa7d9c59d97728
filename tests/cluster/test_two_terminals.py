"""Two runs in two terminals on one account, each with a Ray of its own."""

from __future__ import annotations

import os
import signal

from tests.cluster.collection_bench import until
from tests.cluster.conftest import Benches


def test_of_two_runs_started_together_one_is_refused_and_collects_when_the_other_has_ended(embedded: Benches) -> None:
    bench = embedded("--limits", "30/5s")
    settings = [
        bench.configure(symbols=count, name=name, root=name, limits=["30/5s"], timeout_seconds=2)
        for count, name in ((400, "one"), (401, "two"))
    ]
    runs = [bench.start("collect", str(path)) for path in settings]
    until(lambda: any(run.poll() is not None for run in runs), "one of them has given up")
    (refused, path), (holder, _) = sorted(zip(runs, settings, strict=True), key=lambda pair: pair[0].poll() is None)
    _, err = refused.communicate(timeout=30)
    assert refused.returncode == 1
    (sentence,) = err.splitlines()
    assert f"in use by process {holder.pid} on " in sentence

    bench.until_requests(10)
    assert holder.poll() is None
    os.killpg(holder.pid, signal.SIGINT)
    holder.communicate(timeout=30)
    asked = bench.requests

    again = bench.start("collect", str(path))
    bench.until_requests(asked + 35)
    os.killpg(again.pid, signal.SIGINT)
    _, err = again.communicate(timeout=30)
    assert again.returncode == 3, err
    bench.assert_limit_kept()
