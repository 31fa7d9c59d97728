"""Who gives the commands of this process, and with which program, for a job's history."""

from __future__ import annotations

import getpass
import os
import socket
import sys
from pathlib import Path


def signed(what: str) -> str:
    """A command with this user and host before it: "alice@host: candles pause"."""
    return f"{_user()}@{socket.gethostname()}: {what}"


def this_program() -> str:
    """The name of the running script, "python" where it has none."""
    name = Path(sys.argv[0]).name
    return name if name and not name.startswith("-") else "python"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a user without a name.
        return f"user {os.getuid()}"
