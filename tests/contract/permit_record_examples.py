"""The account, the permits and the record file that the tests of permit records share."""

from __future__ import annotations

from pathlib import Path

from adapters.boot_clock import boot_seconds
from adapters.permit_store.ownership_files import AccountOwnershipFiles
from adapters.permit_store.record import PermitRecordFile
from domain.limits.ledger import GrantedPermit
from domain.limits.rates import AccountLimits, RateLimit

LIMITS = AccountLimits(
    "binance", "default", (RateLimit.parse("15/1s"),), timeout_seconds=10, abandoned_seconds=5, permit_valid_seconds=2
)
FLIGHT_SECONDS = 17.0
FRACTIONAL = LIMITS.stricter(
    AccountLimits("binance", "default", (RateLimit.parse("3/100ms"), RateLimit.parse("90000w/30d")), 4.0, 30.0)
)


def file_record(folder: Path, holder: str = "the first run", session: str = "one", **more: str) -> PermitRecordFile:
    return PermitRecordFile(folder, LIMITS, AccountOwnershipFiles(folder), holder, session, **more)


def permit(name: str, granted_at: float | None = None, tokens: int = 2) -> GrantedPermit:
    granted_at = boot_seconds() if granted_at is None else granted_at
    return GrantedPermit(name, tokens, granted_at, granted_at + FLIGHT_SECONDS)


def ended(granted: GrantedPermit, completed_at: float) -> GrantedPermit:
    return GrantedPermit(granted.permit_id, granted.tokens, granted.granted_at, completed_at, has_completed=True)
