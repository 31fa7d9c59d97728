"""The cost of persisting every permit: the record that the guarantee rests on, and the log that proves a run."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from actors.limiter.account import PermitAccount
from adapters.boot_clock import boot_identity, boot_seconds
from adapters.in_memory.permits import InMemoryPermitRecord, PermitMemory
from adapters.permit_store.log import PermitLogFile
from adapters.permit_store.log_reader import read_audit_history
from adapters.permit_store.ownership_files import AccountOwnershipFiles
from adapters.permit_store.record import PermitRecordFile
from benchmarks.tables import Table
from domain.limits.audit import audit
from domain.limits.messages import Completion, Outcome, PermitRequest
from domain.limits.rates import AccountLimits, RateLimit

LIMITS = AccountLimits("binance", "bench", (RateLimit(10_000_000, 0.5),), timeout_seconds=10, abandoned_seconds=10)
JOB = "binance-1d-00000000"
BUNDLE = 64
ROUNDS = 5


class ForgetfulRecord(InMemoryPermitRecord):
    """Stores nothing, so that only the ledger's own time is left."""

    def granted(self, permits: object) -> None:
        """Forget it."""

    def completed(self, permit: object) -> None:
        """Forget it."""


def measure(permits: int) -> Table:
    """Microseconds from granting a permit to storing its completion, one by one and in permit bundles."""
    with tempfile.TemporaryDirectory(prefix="candles-bench-") as name:
        folder = Path(name)
        rows = [
            _row("nothing remembered", lambda: _account(None, with_log=False), permits),
            _row("the record", lambda: _account(folder, with_log=False), permits),
            _row("the record and the log", lambda: _account(folder, with_log=True), permits),
        ]
        began_at = time.perf_counter()
        history = read_audit_history(folder, LIMITS.broker, LIMITS.account)
        audit(history, JOB)
        audit_seconds = time.perf_counter() - began_at
        space = sum(file.stat().st_size for file in folder.rglob("*.trail"))
        began_at = time.perf_counter()
        reopened = _account(folder, with_log=True)
        open_seconds = time.perf_counter() - began_at
        reopened.close()
    packed = f"The log packs a permit into {space / len(history):.1f} bytes" if space else "Nothing was packed yet"
    return Table(
        "What it costs to remember every permit",
        ("remembered", "us per permit, one by one", f"us per permit, in bundles of {BUNDLE}", "slowest, ms"),
        rows,
        f"Grant, note, complete, note; median of {ROUNDS} rounds of {permits:,} permits. {packed}; reading and "
        f"auditing {len(history):,} of them took {audit_seconds:.2f} s, opening the account again "
        f"{open_seconds * 1000:.0f} ms.",
    )


def _account(folder: Path | None, with_log: bool) -> PermitAccount:
    record = (
        PermitRecordFile(folder, LIMITS, AccountOwnershipFiles(folder), "benchmark", "one")
        if folder
        else ForgetfulRecord(LIMITS, PermitMemory(), session="one")
    )
    log = PermitLogFile(folder, LIMITS.broker, LIMITS.account, boot_identity()) if folder and with_log else None
    account = PermitAccount(LIMITS, record, boot_seconds, log)
    account.open()
    return account


def _row(what: str, open_account: Callable[[], PermitAccount], permits: int) -> tuple[str, str, str, str]:
    singles, bundles, slowest = [], [], 0.0
    for number in range(ROUNDS):
        account = open_account()
        single, slow = _seconds_per_permit(account, permits, 1, f"{what} {number} one")
        singles.append(single)
        bundles.append(_seconds_per_permit(account, permits, BUNDLE, f"{what} {number} many")[0])
        slowest = max(slowest, slow)
        account.close()
    microseconds = [f"{1e6 * statistics.median(seconds):.1f}" for seconds in (singles, bundles)]
    return what, *microseconds, f"{1000 * slowest:.1f}"


def _seconds_per_permit(account: PermitAccount, permits: int, at_once: int, ticket: str) -> tuple[float, float]:
    request = PermitRequest(job_id=JOB, permits=at_once)
    began_at, slowest = time.perf_counter(), 0.0
    for number in range(permits // at_once):
        lent_at = time.perf_counter()
        for permit in account.grant(f"{ticket} {number}", request, at_once):
            account.complete(Completion(permit.permit_id, Outcome.ANSWERED))
        slowest = max(slowest, time.perf_counter() - lent_at)
    return (time.perf_counter() - began_at) / permits, slowest
