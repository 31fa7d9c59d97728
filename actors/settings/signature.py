"""Who gives the commands of this process, and with what: so that a job's history can tell."""

from __future__ import annotations

import getpass
import os
import socket
import sys
from pathlib import Path


def signed(what: str) -> str:
    """What gives a command, with this user and host before it: "alice@host: candles pause"."""
    return f"{_user()}@{socket.gethostname()}: {what}"


def this_program() -> str:
    """The name of the script that runs, "python" where it has none."""
    name = Path(sys.argv[0]).name
    return name if name and not name.startswith("-") else "python"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a user that nothing names.
        return f"user {os.getuid()}"
