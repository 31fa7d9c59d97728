"""CredentialReference: where a secret is, never the secret itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_HOW = 'write where it is, like "env:ALPACA_KEY" or "file:/run/secrets/alpaca", never the secret itself'


@dataclass(frozen=True, slots=True)
class CredentialReference:
    """ "env:NAME" is a variable of the node that signs a request, "file:/path" a file there; it may travel anywhere."""

    kind: Literal["env", "file"]
    place: str

    @classmethod
    def parse(cls, text: str) -> CredentialReference:
        """Read a reference. Raises ValueError for anything else, and does not repeat it: it may be the secret."""
        kind, _, place = text.partition(":")
        if kind == "env" and _NAME.match(place):
            return cls("env", place)
        if kind == "file" and place.startswith("/"):
            return cls("file", place)
        raise ValueError(f"this is no reference to a secret: {_HOW}")

    def __str__(self) -> str:
        return f"{self.kind}:{self.place}"
