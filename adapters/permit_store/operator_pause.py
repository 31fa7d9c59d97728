"""OperatorPauseFile: an operator's order for one account, and where its limiter can be found, beside its record."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from adapters.files.atomic import make_folder, replacing, storage_errors
from adapters.files.locks import is_held


class OperatorPauseFile:
    """An account's switch beside its permit record; implements `domain.limits.operator_pause.OperatorPause`.

    The switch is a file that is there while the account is paused, so a torn one still says so. The limiter
    that has the account announces its cluster; whether it still has it, the lock of its record tells.
    """

    def __init__(self, folder: Path, broker: str, account: str) -> None:
        name = f"{quote(broker, safe='')}@{quote(account, safe='')}"
        self._folder = folder
        self._paused_path = folder / f"{name}.paused"
        self._address_path = folder / f"{name}.address"
        self._lock_path = folder / f"{name}.lock"

    def is_paused(self) -> bool:
        """Whether an operator has paused the account."""
        return self._paused_path.exists()

    def pause(self) -> None:
        """Pause it; durable when this returns."""
        make_folder(self._folder)
        with replacing(self._paused_path) as file:
            file.write(b"`candles limiter resume` takes this away\n")

    def resume(self) -> None:
        """Let it be used again."""
        with storage_errors(self._paused_path):
            self._paused_path.unlink(missing_ok=True)

    def announce(self, address: str) -> None:
        """Tell other processes in which cluster the account's limiter runs."""
        make_folder(self._folder)
        with replacing(self._address_path) as file:
            file.write(address.encode())

    def limiter_address(self) -> str | None:
        """The cluster where the account's limiter runs; None when nobody has the account."""
        if not self._is_held() or not self._address_path.exists():
            return None
        with storage_errors(self._address_path):
            return self._address_path.read_text().strip()

    def _is_held(self) -> bool:
        with storage_errors(self._lock_path):
            return is_held(self._lock_path)
