"""Credentials: an account's secrets, read only where a request is signed."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Mapping
from pathlib import Path

from domain.brokers.credentials import CredentialReference
from domain.errors import CredentialsRefused

_OTHERS_MAY = stat.S_IRWXG | stat.S_IRWXO
_MOST_BYTES = 64 * 1024


class Credentials:
    """The secrets of one account by name; never shown and never pickled: references travel instead."""

    def __init__(self, broker: str, references: Mapping[str, CredentialReference]) -> None:
        self._broker = broker
        self._references = dict(references)
        self._known: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Credentials({', '.join(f'{name}={where}' for name, where in self._references.items())})"

    def __reduce__(self) -> tuple[type[Credentials], tuple[str, dict[str, CredentialReference]]]:
        return Credentials, (self._broker, self._references)

    def filled_in(self, templates: Mapping[str, str]) -> dict[str, str]:
        """The templates with each {name} replaced by its secret.

        Raises CredentialsRefused, naming the reference and this node, for a secret that cannot be read.
        """
        names = self._references.keys() if templates else ()
        secrets = {name: self._secret(name) for name in names}
        try:
            return {header: template.format_map(secrets) for header, template in templates.items()}
        except KeyError as error:
            raise CredentialsRefused(
                self._broker, "credentials", f"the headers need a credential {error}, and none of that name is given"
            ) from None

    def have_changed(self) -> bool:
        """Read the secrets again; returns whether any has changed since it was used."""
        used, self._known = self._known, {}
        return any(self._secret(name) != secret for name, secret in used.items())

    def _secret(self, name: str) -> str:
        if name not in self._known:
            self._known[name] = self._read(self._references[name])
        return self._known[name]

    def _read(self, reference: CredentialReference) -> str:
        if reference.kind == "env":
            if secret := os.environ.get(reference.place, ""):
                return secret
            raise self._refused(reference, "is not set")
        path = Path(reference.place)
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise self._refused(reference, "is not a regular file")
                if status.st_uid != os.getuid() or status.st_mode & _OTHERS_MAY:
                    raise self._refused(reference, "must belong to this user alone: make it 0600")
                secret = file.read(_MOST_BYTES).decode().strip()
        except OSError as error:
            raise self._refused(reference, f"cannot be read ({error.strerror})") from error
        except UnicodeDecodeError:
            raise self._refused(reference, "is not text") from None
        if not secret:
            raise self._refused(reference, "is empty")
        return secret

    def _refused(self, reference: CredentialReference, what: str) -> CredentialsRefused:
        return CredentialsRefused(self._broker, "credentials", f"{reference} {what} on node {socket.gethostname()}")
