"""Where a running Ray cluster answers: Ray itself would try for minutes where nobody does."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

ANSWER_SECONDS = 4.0
"""Any cluster answers in less, also a busy one."""

_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
"""How HTTP/2 begins, which gRPC and therefore Ray speaks, with settings that say nothing."""
_HOW_TO_START = ': `ray start --head` starts one, which address = "auto" then joins'
_FRAME_HEADER_BYTES, _TYPE_AT, _SETTINGS = 9, 3, 4


def live_address(address: str) -> str:
    """That address, or for "auto" the one of this machine's cluster, if a cluster answers there.

    "auto" is what RAY_ADDRESS names, else what `ray start` announced: never any other that runs here, for that may
    be another terminal's and end with it. Raises ConnectionError where none answers, within `ANSWER_SECONDS`.
    """
    if address != "auto":
        _check_answers(address)
        return address
    named = os.environ.get("RAY_ADDRESS", "")
    if named not in ("", "auto", "local"):
        _check_answers(named, ", which RAY_ADDRESS names")
        return named
    announced = temp_folder() / "ray" / "ray_current_cluster"
    if not announced.is_file():
        raise ConnectionError(f"no Ray cluster runs on this machine{_HOW_TO_START}")
    found = announced.read_text(encoding="utf-8", errors="replace").strip()
    _check_answers(found, f", which {announced} names", _HOW_TO_START)
    return found


def temp_folder() -> Path:
    """Where `ray start` puts what tells of a cluster; it is left behind when the cluster is killed."""
    return Path(os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp")


def _check_answers(address: str, source: str = "", advice: str = "") -> None:
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise ConnectionError(f"{address}{source} is no address of a Ray cluster: host:port or ray://host:port is")
    deadline = time.monotonic() + ANSWER_SECONDS
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_SECONDS) as connection:
            is_live = os.environ.get("RAY_USE_TLS") == "1" or _answers(connection, deadline)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConnectionError(f"no Ray cluster answers at {address}{source} ({reason}){advice}") from error
    if not is_live:
        raise ConnectionError(f"no Ray cluster answers at {address}{source} (what listens there is none){advice}")


def _answers(connection: socket.socket, deadline: float) -> bool:
    """Whether a server speaks HTTP/2 there: the kernel takes connections for a frozen process as well."""
    connection.sendall(_HELLO)
    answer = b""
    while len(answer) < _FRAME_HEADER_BYTES:
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        received = connection.recv(_FRAME_HEADER_BYTES - len(answer))
        if not received:
            return False
        answer += received
    return answer[_TYPE_AT] == _SETTINGS
