"""The folder for clusters that this user's programs start: private, and short enough for Ray's sockets."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

SHORT = Path("/tmp")
"""A socket's path may take 107 bytes, and Ray needs about 70 of them below its folder. TMPDIR may well be longer."""


def private_temp_dir() -> Path:
    """A folder that nobody else can enter, the same for every program of this user.

    Where another user owns that name, or the folder is open to others, a new one is made.
    """
    folder = SHORT / f"candles-{os.getuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    # Ray makes the folder that it is given accessible to everybody, so it gets one inside.
    return (folder if _is_private(folder) else Path(tempfile.mkdtemp(prefix="candles-", dir=SHORT))) / "ray"


def _is_private(folder: Path) -> bool:
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and stat.S_IMODE(found.st_mode) == 0o700
