"""Ctrl-C for tests that send it, however they were started."""

from __future__ import annotations

import signal


def restore_ctrl_c() -> None:
    """Make SIGINT interrupt this process and its children.

    A script's shell starts background jobs with SIGINT ignored, and their children inherit that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
