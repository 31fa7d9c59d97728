"""Where the permit records and logs of this user's accounts lie."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

STATE_FOLDER_VARIABLE = "CANDLES_STATE_DIR"
"""Where the permit records and logs of this user's accounts lie; by default the platform's state folder."""


def state_folder() -> Path:
    """The folder of the permit records and logs."""
    return Path(os.environ.get(STATE_FOLDER_VARIABLE) or platformdirs.user_state_path("candle-collector"))
