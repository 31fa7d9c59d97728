"""The simulated exchange's own count, read by a process that only knows its address."""

from __future__ import annotations

import ipaddress
import json
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

_PATIENCE_SECONDS = 2.0


def server_count(base_url: str | None) -> dict[str, Any] | None:
    """The `ArrivalLog.report` at that address; None where no simulated exchange answers.

    Only loopback addresses are queried: a real broker never sees this request.
    """
    if base_url is None or not _is_loopback(urlsplit(base_url).hostname or ""):
        return None
    try:
        with urlopen(f"{base_url}/simulator/report", timeout=_PATIENCE_SECONDS) as answer:
            report = json.load(answer)
    except (OSError, ValueError):
        return None
    return report if isinstance(report, dict) and {"violations", "most_in_window", "requests"} <= set(report) else None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
