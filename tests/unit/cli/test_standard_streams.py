"""Output that cannot be written, in real processes: what is left out, and what they exit with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[3]
TALKATIVE = """
import sys
from actors.standard_streams import make_patient
make_patient()
for number in range(20_000):
    print(f"line {number}")
    print(f"line {number}", file=sys.stderr)
sys.exit(7)
"""
DRIVER = """
import sys
from actors.exit_codes import run_driver
from domain.jobs.progress import Progress
from domain.jobs.status import JobStatus
def work():
    for number in range(20_000):
        print(f"line {number}")
    return Progress("a", JobStatus.PAUSED, "", 1, 1, 0, 0, 1, 1, 1, 0, 1)
sys.exit(run_driver(work))
"""
NOT_BLOCKING = f"""
import os
os.set_blocking(1, False)
{TALKATIVE}
"""
CLOSED = """
import os, sys
os.closerange(0, 3)
os.execv(sys.executable, [sys.executable, "-c", '''
import socket, sys
from actors.standard_streams import make_patient
make_patient()
one, other = socket.socketpair()
print("for nobody", flush=True)
other.setblocking(False)
try:
    other.recv(1)
except BlockingIOError:
    sys.exit(7)
'''])
"""


def shell(line: str, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", line, "bash", sys.executable, "-c", code],
        cwd=TREE,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize(
    "line",
    [
        '"$@" 2>/dev/null | head -1 >/dev/null; exit ${PIPESTATUS[0]}',
        '"$@" >/dev/full 2>/dev/null',
        '"$@" 2>/dev/full >/dev/null',
        '"$@" >&- 2>&-',
        '"$@" 2>&1 >/dev/null | head -1 >/dev/null; exit ${PIPESTATUS[0]}',
    ],
)
def test_output_that_cannot_be_written_does_not_change_how_a_program_ends(line: str, unbuffered: str) -> None:
    ended = shell(line, TALKATIVE, PYTHONUNBUFFERED=unbuffered)
    assert (ended.returncode, ended.stdout, ended.stderr) == (7, "", "")


def test_a_driver_script_whose_reader_leaves_ends_with_the_code_of_its_job() -> None:
    ended = shell('"$@" | head -1; exit ${PIPESTATUS[0]}', DRIVER)
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "line 0\n", "")


def test_a_pipe_that_somebody_made_non_blocking_gets_every_line() -> None:
    ended = shell('"$@" 2>/dev/null | (read -r first; wc -l)', NOT_BLOCKING)
    assert ended.stdout == "19999\n"


def test_a_closed_standard_output_is_not_taken_for_the_next_socket_that_is_opened() -> None:
    assert shell('"$@"', CLOSED).returncode == 7


def test_a_listing_that_a_full_device_cut_off_is_no_success() -> None:
    line = '"$1" -m actors completion bash >/dev/full'
    ended = shell(line, "")
    assert (ended.returncode, ended.stderr) == (1, "candles: standard output cannot be used: No space left on device\n")
    assert shell('"$1" -m actors --help | head -1', "").returncode == 0
