"""OperatorPauseFile: an operator's order for one account, and where its limiter can be found, beside its record."""

from __future__ import annotations

from pathlib import Path

from adapters.files.atomic import make_folder, replacing, storage_errors
from adapters.permit_store.ownership_files import name_of
from domain.limits.ports import AccountOwners


class OperatorPauseFile:
    """An account's switch beside its permit record; implements `domain.limits.operator_pause.OperatorPause`.

    The switch is a file that is there while the account is paused, so a torn one still says so. The limiter
    that has the account announces its cluster; whether anybody still has it, `owners` tell.
    """

    def __init__(self, folder: Path, broker: str, account: str, owners: AccountOwners) -> None:
        name = name_of(broker, account)
        self._folder, self._broker, self._account, self._owners = folder, broker, account, owners
        self._paused_path = folder / f"{name}.paused"
        self._address_path = folder / f"{name}.address"

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
        if self._owners.find(self._broker, self._account) is None or not self._address_path.exists():
            return None
        with storage_errors(self._address_path):
            return self._address_path.read_text().strip()
