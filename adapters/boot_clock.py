"""The clock by which permits are counted: seconds since this machine started, those included in which it slept.

All processes of a machine share it and nobody can set it. A clock that stands still while the machine sleeps would
have whoever wakes up send on permits that the broker's windows have long moved past.
"""

from __future__ import annotations

import time
from pathlib import Path

_BOOTTIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_seconds() -> float:
    """What the clock reads; where the platform has none that counts sleep, the monotonic one."""
    return time.monotonic() if _BOOTTIME is None else time.clock_gettime(_BOOTTIME)


def boot_identity() -> str:
    """What tells this clock from every other: of the next boot, and of this boot's clock that stands still in sleep."""
    boot = monotonic_identity()
    return boot if _BOOTTIME is None else f"boottime:{boot}"


def monotonic_identity() -> str:
    """By what versions called this boot that counted permits on the monotonic clock."""
    if _BOOT_ID.exists():
        return _BOOT_ID.read_text().strip()
    # Elsewhere: when the clock was zero, to ten minutes. Setting the clock, or sleep, looks like a new boot.
    return f"boot-{round((time.time() - boot_seconds()) / 600)}"
