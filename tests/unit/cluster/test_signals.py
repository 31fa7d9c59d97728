"""Signals while Ray starts, in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TREE = Path(__file__).resolve().parents[3]
HEAD = """
import os, signal, subprocess, sys, threading
from actors.cluster import signals
from actors.cluster.signals import signals_kept
"""


def ended(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", HEAD + code], cwd=TREE, capture_output=True, text=True, timeout=30, check=False
    )


def test_a_signal_waits_for_the_end_of_the_start_and_for_the_handler_of_before_it() -> None:
    run = ended("""
signal.signal(signal.SIGTERM, lambda *_: print("mine", flush=True))
with signals_kept():
    signal.signal(signal.SIGTERM, lambda *_: print("the library's", flush=True))
    os.kill(os.getpid(), signal.SIGTERM)
    print("started", flush=True)
""")
    assert (run.returncode, run.stdout) == (0, "started\nmine\n"), run.stderr


def test_without_a_handler_a_signal_leaves_through_the_ends_of_python_with_the_code_that_shells_expect() -> None:
    run = ended("""
try:
    with signals_kept():
        os.kill(os.getpid(), signal.SIGTERM)
finally:
    print("cleaned up")
""")
    assert (run.returncode, run.stdout, run.stderr) == (143, "cleaned up\n", "")


def test_a_start_that_never_returns_needs_no_sigkill() -> None:
    run = ended("""
signals.STUCK_SECONDS = 0.2
with signals_kept():
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait()
""")
    assert (run.returncode, run.stderr) == (143, "")


def test_processes_that_are_started_meanwhile_take_sigterm_and_no_sighup() -> None:
    run = ended("""
code = "import signal; print(sorted(one.name for one in signal.pthread_sigmask(signal.SIG_BLOCK, ())))"
with signals_kept():
    subprocess.run([sys.executable, "-c", code], preexec_fn=lambda: None, check=True)
""")
    assert (run.returncode, run.stdout) == (0, "['SIGHUP']\n"), run.stderr
