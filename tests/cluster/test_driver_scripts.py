"""The example scripts as programs: what they collect, and the codes they end with, which are the command's."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

from domain.jobs.job import JobStatus
from tests.cluster.collection_bench import TREE, CollectionBench
from tests.cluster.conftest import Benches

EXAMPLES = TREE / "examples"


def run(bench: CollectionBench, script: Path, *words: str) -> tuple[int, str, str]:
    """Run a script to its end: its exit code, and what it said."""
    driver = bench.start(*words, program=(sys.executable, str(script)))
    out, err = driver.communicate(timeout=90)
    return driver.returncode, out, err


def nightly_at(bench: CollectionBench) -> Path:
    """A copy of the nightly script that asks the bench's exchange."""
    asks = f'"gateway": "binance", "base_url": {json.dumps(bench.simulator.base_url)}, "account": "{bench.account}"'
    script = bench.folder / "nightly.py"
    script.write_text((EXAMPLES / "nightly.py").read_text().replace('"gateway": "binance"', asks))
    return script


def test_the_driver_script_collects(in_cluster: Benches) -> None:
    bench = in_cluster()
    script = EXAMPLES / "collect_candles.py"
    code, out, err = run(bench, script, str(bench.path))
    assert code == 0, err
    assert "20 of 20 complete" in out
    bench.assert_limit_kept()
    bench.assert_candles_are_true()
    assert len(script.read_text().splitlines()) <= 25


def test_a_driver_script_ends_with_4_where_symbols_failed(in_cluster: Benches) -> None:
    bench = in_cluster("--unknown", "SIM000")
    bench.configure(symbols=10)
    code, out, err = run(bench, EXAMPLES / "collect_candles.py", str(bench.path))
    assert code == 4, out + err


def test_a_driver_script_ends_with_2_and_a_sentence_for_wrong_input(embedded: Benches) -> None:
    code, out, err = run(embedded(), EXAMPLES / "collect_candles.py", "nowhere.toml")
    said = "collect_candles.py: nowhere.toml: the settings file cannot be read: No such file or directory\n"
    assert (code, out, err) == (2, "", said)


def test_a_nightly_script_that_is_stopped_pauses_and_the_next_one_goes_on_from_there(embedded: Benches) -> None:
    bench = embedded()
    script, store, symbols = nightly_at(bench), str(bench.folder / "data"), [f"SIM{number:03}" for number in range(3)]
    stopped = bench.start(store, *symbols, program=(sys.executable, str(script)))
    bench.until_requests(3)
    stopped.send_signal(signal.SIGTERM)
    out, err = stopped.communicate(timeout=30)
    assert stopped.returncode == 3, out + err
    assert "Traceback" not in err
    (job,) = bench.stored_jobs()
    assert job.status is JobStatus.PAUSED

    code, out, err = run(bench, script, store, *symbols)
    assert code == 0, out + err
    assert "3 of 3 complete" in out
    bench.assert_limit_kept()

    shown = subprocess.run(
        [sys.executable, EXAMPLES / "read_candles.py", store], cwd=TREE, capture_output=True, text=True, check=True
    )
    assert all(f"{symbol} 1h: " in shown.stdout for symbol in symbols)
