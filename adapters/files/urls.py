"""Addresses of what lies on a disk: a path, or a URL with one in it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit


def scheme_of(address: str) -> str:
    """What stands before the colon of a URL; "" for a path."""
    before, colon, _ = address.partition(":")
    return before.lower() if colon and "/" not in before else ""


def path_in(url: str) -> Path:
    """The absolute path in "scheme:///path"; ValueError with a sentence that shows nothing of the URL.

    A host is none of this machine's folders, and where a host can stand a password can.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("it is no URL") from None
    if parts.netloc not in ("", "localhost"):
        raise ValueError("it has a host, a user name or a password where a path begins with a third slash")
    if parts.query or parts.fragment:
        raise ValueError("it goes on after a ? or a #, which are %3F and %23 in the name of a file")
    path = unquote(parts.path)
    if not path.startswith("/") or "\0" in path:
        raise ValueError("it has no absolute path")
    return Path("/" + path.lstrip("/")).resolve()
