"""JobAuditor: what the permit log proves of a job, beside the server's own count."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from actors.use_cases.catalog import JobCatalog
from domain.errors import SettingsError
from domain.jobs.request import CollectionRequest
from domain.limits.audit import AuditHistory, JobAudit, audit


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The audit of a job. `server` is a simulated exchange's count of all its requests; None for other brokers."""

    audit: JobAudit
    server: Mapping[str, Any] | None = None

    @property
    def is_proven(self) -> bool:
        """Whether the limits were kept, by the record and by the server's count if there is one."""
        return self.audit.is_proven and not (self.server and self.server["violations"])


class JobAuditor:
    """Audits the jobs of a store by the permits of their accounts.

    `read_audit_history` reads the permit log of a request's account, `ask_server` the count of a simulated exchange
    (None for other brokers), and `draw` makes a picture.
    """

    def __init__(
        self,
        catalog: JobCatalog,
        read_audit_history: Callable[[CollectionRequest], AuditHistory],
        ask_server: Callable[[], Mapping[str, Any] | None],
        draw: Callable[[AuditHistory, JobAudit, Path], None],
    ) -> None:
        self._catalog = catalog
        self._read_audit_history = read_audit_history
        self._ask_server = ask_server
        self._draw = draw

    def audit(self, job: str, plot: Path | None = None) -> AuditReport:
        """Audit the job, and draw it if a file is named. Raises JobNotFound, SettingsError, StorageUnavailable."""
        job_id = self._catalog.find(job)
        request = self._catalog.request(job_id)
        history = self._read_audit_history(request)
        if not history.of(job_id).any():
            raise SettingsError(
                f"no permit of job {job_id} is in the log of account {request.account!r} of {request.broker}: "
                "it has made no request yet, or its log lies in another state folder"
            )
        verdict = audit(history, job_id, _seconds(self._catalog.progress(job_id).started_at))
        if plot is not None:
            self._draw(history, verdict, plot)
        return AuditReport(verdict, self._ask_server())


def _seconds(moment: datetime | None) -> float:
    return moment.timestamp() if moment else float("inf")
