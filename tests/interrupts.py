"""Ctrl-C for tests that send it, however they were started."""

from __future__ import annotations

import signal


def heed_ctrl_c() -> None:
    """Have SIGINT interrupt this process, and the processes that it starts.

    A script's shell starts background jobs with SIGINT ignored, and their children inherit that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
