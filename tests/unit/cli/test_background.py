"""What is started in the background of a script, where shells have SIGINT ignored."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.cli.foreground import StopSignals

TREE = Path(__file__).resolve().parents[3]
RESTORING = """
import subprocess, sys
from tests.interrupts import restore_ctrl_c
restore_ctrl_c()
subprocess.run([sys.executable, "-c", "import signal; print(signal.getsignal(signal.SIGINT).__name__)"], check=True)
"""


@pytest.fixture
def ignored_sigint() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ignored_sigint")
def test_a_signal_that_was_ignored_at_the_start_stays_ignored_and_sigterm_still_asks_to_stop() -> None:
    with StopSignals() as signals:
        signals.listen()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        signal.raise_signal(signal.SIGINT)
        assert not signals.requested
        signal.raise_signal(signal.SIGTERM)
        assert (signals.requested, signals.name) == (True, "SIGTERM")
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_a_closed_terminal_asks_to_stop_unless_nohup_had_it_ignored_before() -> None:
    with StopSignals() as signals:
        signals.listen()
        signal.raise_signal(signal.SIGHUP)
        assert (signals.requested, signals.name) == (True, "SIGHUP")
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals() as signals:
            signals.listen()
            signal.raise_signal(signal.SIGHUP)
            assert not signals.requested
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("first", [signal.SIGHUP, signal.SIGTERM])
def test_a_closed_terminal_that_is_told_twice_does_not_end_the_job_at_once(first: signal.Signals) -> None:
    with StopSignals() as signals:
        signals.listen()
        signal.raise_signal(first)
        signal.raise_signal(signal.SIGHUP)
        assert signals.name == first.name
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)


def test_tests_that_send_ctrl_c_do_not_depend_on_how_they_were_started() -> None:
    done = subprocess.run(
        ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", sys.executable, "-c", RESTORING],
        cwd=TREE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "default_int_handler\n"), done.stderr
